// ReferenceGrant of gateway.networking.k8s.io: which namespaces may refer to objects of its own.
import type { z } from 'zod';
import { list, message } from './schema.js';
import { string } from './values.js';

/** Opening of the page in docs/kinds/. */
export const referenceGrantDoc = [
  'ReferenceGrant of the Gateway API: lets objects of other namespaces refer to objects of its own, such as an HTTPRoute to',
  'a Service, or a Gateway to a Secret.',
].join('\n');

/** The spec of a ReferenceGrant. */
export const referenceGrantSpec = message(
  {
    from: list(
      message(
        {
          group: string.describe('gateway.networking.k8s.io'),
          kind: string.describe('Gateway, HTTPRoute, GRPCRoute, TLSRoute or TCPRoute'),
          namespace: string.describe('where it is'),
        },
        'kind',
        'namespace',
      ),
    ).describe('who may refer'),
    to: list(
      message(
        {
          group: string.describe('empty for the core group'),
          kind: string.describe('Service, Secret or ConfigMap'),
          name: string.describe('one object; all of the kind when absent'),
        },
        'kind',
      ),
    ).describe('to what'),
  },
  'from',
  'to',
);

export type ReferenceGrantSpec = z.output<typeof referenceGrantSpec>;
