// Gateways as the mesh keeps them: Istio's, and those that Kubernetes' Gateway API stands for (gateway-api/). Which
// proxies a Gateway is for is gateway-scope.ts.
import type { GatewayServerSpec, GatewaySpec } from '../kinds/gateway.js';
import type { ResourceId } from '../kinds/problem.js';
import type { Age, Resource } from '../kinds/resource.js';
import type { ServerTls as WrittenTls } from '../kinds/server-tls.js';
import { memoize } from '../lib/memo.js';

/** TLS towards clients; `acceptUntrusted`: certificates of clients are asked for, and any is taken (Gateway API). */
export type ServerTls = WrittenTls & { acceptUntrusted?: boolean };

/** A host that a server serves, and whose rules may have it. */
export interface GatewayHost {
  /** Namespace of the VirtualServices that may be bound to the host; `*` = any. */
  namespace: string;
  /** Lower case; may be a wildcard. */
  host: string;
}

/** What is spoken to clients, in Istio's spelling. */
export type ServerProtocol =
  | 'HTTP'
  | 'HTTPS'
  | 'HTTP2'
  | 'GRPC'
  | 'GRPC-WEB'
  | 'MONGO'
  | 'MYSQL'
  | 'REDIS'
  | 'TCP'
  | 'TLS';

/** One port of a Gateway. */
export interface GatewayServer {
  /** Its place in the resource: `servers` of Istio's Gateway, `listeners` of Kubernetes'. */
  path: readonly (string | number)[];
  name: string;
  port: { number: number; name: string; protocol: ServerProtocol };
  /** IP address, or `unix:///PATH`; empty = any address. */
  bind: string;
  hosts: readonly GatewayHost[];
  tls?: ServerTls;
}

/** Which routers a Gateway is for. */
export interface GatewaySelector {
  /** All of these labels; an empty set is every router. */
  labels: Readonly<Record<string, string>>;
  /** Only routers of this namespace; absent: of any. */
  namespace?: string;
  /** Those that one of these selects; absent: all that have the labels. */
  oneOf?: readonly GatewaySelector[];
}

/** What a Gateway's user asked for besides the API (annotations); for proxies and listeners of all its servers. */
export interface GatewayOptions {
  /** HTTPS servers are served over QUIC too (annotation `fairlead.io/http3`). */
  http3?: boolean;
  /** Responses are compressed, the first that the client accepts (annotation `fairlead.io/compression`). */
  compression?: readonly ('gzip' | 'brotli' | 'zstd')[];
  /** A route keeps sessions (Gateway API). */
  sessions?: boolean;
}

/** A Gateway with hosts and names resolved. */
export interface Gateway {
  source: ResourceId;
  age: Age;
  /** `namespace/name`: what VirtualServices are bound by. */
  name: string;
  selector: GatewaySelector;
  servers: readonly GatewayServer[];
  options: GatewayOptions;
}

/** The Gateway as the mesh keeps it; the same object for the same resource. */
export const meshGateway = memoize((resource: Resource): Gateway => {
  const { kind, namespace, name, age } = resource;
  const spec = resource.spec as GatewaySpec;
  return {
    source: { kind, namespace, name },
    age,
    name: `${namespace}/${name}`,
    selector: { labels: spec.selector ?? {} },
    servers: spec.servers.map((server, i) => meshServer(server, ['spec', 'servers', i], namespace)),
    options: gatewayOptions(resource.annotations),
  };
});

function meshServer(
  { port, bind = '', hosts, tls, name = '' }: GatewayServerSpec,
  path: readonly (string | number)[],
  namespace: string,
): GatewayServer {
  const protocol = port.protocol.toUpperCase() as ServerProtocol;
  return {
    path,
    name,
    port: { number: port.number, name: port.name, protocol },
    bind,
    hosts: hosts.map((entry) => gatewayHost(entry, namespace)),
    ...(tls && { tls }),
  };
}

/** `HOST` is for rules of any namespace; `./HOST` of the Gateway's own (Istio API, Server.hosts). */
function gatewayHost(entry: string, namespace: string): GatewayHost {
  const slash = entry.indexOf('/');
  if (slash < 0) return { namespace: '*', host: entry.toLowerCase() };
  const owner = entry.slice(0, slash);
  return {
    namespace: owner === '.' ? namespace : owner || '*',
    host: entry.slice(slash + 1).toLowerCase(),
  };
}

const algorithms = ['gzip', 'brotli', 'zstd'] as const;

/** The options that annotations ask for; names that are none are reported by kinds/annotation-check.ts. */
export function gatewayOptions(annotations: Readonly<Record<string, string>>): GatewayOptions {
  const wanted = (annotations['fairlead.io/compression'] ?? '').split(',').map((it) => it.trim());
  const compression = algorithms.filter((algorithm) => wanted.includes(algorithm));
  return {
    ...(annotations['fairlead.io/http3'] === 'true' && { http3: true }),
    ...(compression.length > 0 && { compression }),
  };
}
