// TLSRoute, TCPRoute and UDPRoute of gateway.networking.k8s.io: connections, not requests.
import type { z } from 'zod';
import { notImplemented } from './field.js';
import { backendRef, routeFields } from './gateway-api-values.js';
import { list, message } from './schema.js';
import { string, strings } from './values.js';

const rule = message({
  name: string.describe('a name for people'),
  backendRefs: list(backendRef).describe('where connections go'),
});

/** Opening of the page in docs/kinds/. */
export const tlsRouteDoc = [
  'TLSRoute of the Gateway API: connections by SNI, for listeners of protocol TLS. See docs/gateway-api.md.',
].join('\n');

/** The spec of a TLSRoute. */
export const tlsRouteSpec = message({
  ...routeFields,
  hostnames: strings.describe('SNI; that of the listener when absent'),
  rules: list(rule).describe('the rules; the first counts'),
});

/** Opening of the page in docs/kinds/. */
export const tcpRouteDoc = [
  'TCPRoute of the Gateway API: all connections of a listener of protocol TCP. See docs/gateway-api.md.',
].join('\n');

/** The spec of a TCPRoute. */
export const tcpRouteSpec = message({
  ...routeFields,
  rules: list(rule).describe('the rules; the first counts'),
});

/** Opening of the page in docs/kinds/. */
export const udpRouteDoc = [
  'UDPRoute of the Gateway API. Accepted, and not acted on: Istio has no UDP either.',
].join('\n');

const noUdp = 'Gateways serve no UDP yet.';

/** The spec of a UDPRoute. */
export const udpRouteSpec = message({
  parentRefs: notImplemented(routeFields.parentRefs, noUdp),
  useDefaultGateways: notImplemented(routeFields.useDefaultGateways, noUdp),
  rules: notImplemented(list(rule), noUdp),
});

export type TlsRouteSpec = z.output<typeof tlsRouteSpec>;
export type TcpRouteSpec = z.output<typeof tcpRouteSpec>;
