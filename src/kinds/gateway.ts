// Gateway of networking.istio.io: the ports that proxies at the edge of the mesh open, for which hosts, with which
// TLS. Where the traffic goes is said by the VirtualServices that name the Gateway. Rules that need more than one
// field are in gateway-check.ts.
import { z } from 'zod';
import { noEffect } from './field.js';
import { list, message, named } from './schema.js';
import { serverTls } from './server-tls.js';
import { labels, string, strings, uint32 } from './values.js';

const serverPort = message(
  {
    number: named('port', z.int().min(0).max(65535)).describe(
      'port of the Service of the gateway; the listener is at its targetPort when it is known; 0 with a Unix socket',
    ),
    protocol: string.describe(
      'HTTP, HTTPS, HTTP2, GRPC, GRPC-WEB, MONGO, REDIS, MYSQL, TCP or TLS',
    ),
    name: string.describe('part of the name of the route of an HTTPS server'),
    targetPort: noEffect(uint32, 'Istio does not read it; the Service says it.'),
  },
  'number',
  'protocol',
  'name',
);

const server = message(
  {
    port: serverPort.describe('where clients connect'),
    bind: string.describe('address of the listener, or unix:///PATH; any address when absent'),
    hosts: strings.describe(
      'hosts that are served, as HOST or NAMESPACE/HOST: only VirtualServices of that namespace ' +
        '(`.`: of the Gateway, `*`: any) may have them',
    ),
    tls: serverTls.describe('TLS towards clients'),
    defaultEndpoint: noEffect(string, 'Istio does not read it.'),
    name: string.describe('a name for people and for the status'),
  },
  'port',
  'hosts',
);

/** Opening of the page in docs/kinds/. */
export const gatewayDoc = [
  'Ports that gateways (Envoys with a node of type `router`) open. `selector` says by labels which gateways; the',
  'VirtualServices that name the Gateway under `gateways` say where requests go.',
].join('\n');

/** The spec of a Gateway. */
export const gatewaySpec = message(
  {
    servers: list(server).describe('the ports'),
    selector: labels.describe('labels of the gateways that it is for; all of them when absent'),
  },
  'servers',
);

export type GatewaySpec = z.output<typeof gatewaySpec>;
export type GatewayServerSpec = GatewaySpec['servers'][number];
