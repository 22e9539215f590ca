// GRPCRoute of gateway.networking.k8s.io: the methods of gRPC services, by name.
import type { z } from 'zod';
import { notImplemented } from './field.js';
import {
  backendRefWith,
  headerModifier,
  localRef,
  mirrorFilter,
  routeFields,
  sessionPersistence,
} from './gateway-api-values.js';
import { namedMatch } from './http-route.js';
import { enumeration, list, message } from './schema.js';
import { string, strings } from './values.js';

const match = message({
  method: message({
    type: enumeration(['Exact', 'RegularExpression']).describe('Exact when absent'),
    service: string.describe('PACKAGE.SERVICE; any when absent'),
    method: string.describe('name of the method; any when absent'),
  }).describe('the method that is called'),
  headers: list(namedMatch).describe('metadata; all must fit'),
});

const filter = message(
  {
    type: enumeration(
      ['RequestHeaderModifier', 'ResponseHeaderModifier', 'RequestMirror', 'ExtensionRef'],
      ['ExtensionRef'],
      'There are no extensions.',
    ).describe('what the filter does; the field of that name says how'),
    requestHeaderModifier: headerModifier.describe('headers of requests'),
    responseHeaderModifier: headerModifier.describe('headers of responses'),
    requestMirror: mirrorFilter.describe('copies of requests'),
    extensionRef: notImplemented(
      localRef.describe('a filter of ours'),
      'There are no filters of our own.',
    ),
  },
  'type',
);

const rule = message({
  name: string.describe('name of the routes, instead of NAMESPACE.NAME.INDEX'),
  matches: list(match).describe('which calls; any of them must fit. All when absent'),
  filters: list(filter).describe('what happens to calls'),
  backendRefs: list(backendRefWith(filter)).describe('where calls go'),
  sessionPersistence: sessionPersistence.describe('calls of a session go to one backend'),
});

/** Opening of the page in docs/kinds/. */
export const grpcRouteDoc = [
  'GRPCRoute of the Gateway API: which gRPC calls go where, for Gateways, and with a Service as parent for traffic in the',
  'mesh. See docs/gateway-api.md.',
].join('\n');

/** The spec of a GRPCRoute. */
export const grpcRouteSpec = message({
  ...routeFields,
  hostnames: strings.describe('hosts; those of the listeners when absent'),
  rules: list(rule).describe('the rules'),
});

export type GrpcRouteSpec = z.output<typeof grpcRouteSpec>;
export type GrpcRouteRule = NonNullable<GrpcRouteSpec['rules']>[number];
export type GrpcRouteMatch = NonNullable<GrpcRouteRule['matches']>[number];
