// Findings about servers of Gateways that need no router to be connected: certificates that are nowhere, or that two
// servers share, and ports that the gateway's Service does not have. Which of two servers gets a port is known at a
// router only (translate/gateway-plan.ts).
import type { FieldPath, Problem } from '../kinds/problem.js';
import type { Resource } from '../kinds/resource.js';
import { memoize } from '../lib/memo.js';
import type { Parts } from './analyzed-parts.js';
import type { Gateway, GatewayServer } from './gateway.js';
import { type GatewayPlaces, gatewayPlaces, type Places } from './gateway-places.js';
import { hasLabels } from './has-labels.js';

/** Findings about the servers of Istio's Gateways; those of the Gateway API have a status of their own. */
export function analyzeGatewayServers(
  parts: Parts<'gateways' | 'secrets' | 'services' | 'workloads'>,
): Problem[] {
  const gateways = parts.gateways.filter(({ source }) => source.kind === 'Gateway');
  if (gateways.length === 0) return [];
  const namespaces = namespacesOfSecrets(parts.secrets);
  const placesOf: GatewayPlaces = gatewayPlaces(parts);
  const seen = new Map<string, Bound[]>();
  return gateways.flatMap((gateway) => {
    const places = placesOf(gateway);
    return gateway.servers.flatMap((server) => [
      ...missingSecrets({ gateway, server }, places, namespaces),
      ...missingPort({ gateway, server }, places),
      ...sharedCertificate({ gateway, server }, seen),
    ]);
  });
}

/** Namespaces in which there are Secrets of a name. */
const namespacesOfSecrets = memoize(
  (secrets: readonly Resource[]): ReadonlyMap<string, readonly string[]> => {
    const namespaces = new Map<string, string[]>();
    for (const { name, namespace } of secrets) {
      const all = namespaces.get(name);
      if (all === undefined) namespaces.set(name, [namespace]);
      else all.push(namespace);
    }
    return namespaces;
  },
);

interface Bound {
  gateway: Gateway;
  server: GatewayServer;
}

function problemAt(
  { gateway, server }: Bound,
  path: FieldPath,
  found: Pick<Problem, 'code' | 'severity' | 'message' | 'istio'>,
): Problem {
  return { ...found, resource: gateway.source, path: [...server.path, ...path] };
}

const fields = ['credentialName', 'credentialNames', 'caCertCredentialName'] as const;

/** Said in the same words as at a router, where it is an error too: the two are one problem. */
function missingSecrets(
  bound: Bound,
  places: Places,
  namespacesOf: ReadonlyMap<string, readonly string[]>,
): Problem[] {
  const { tls } = bound.server;
  if (!tls || tls.mode === 'PASSTHROUGH' || tls.mode === 'AUTO_PASSTHROUGH') return [];
  for (const field of fields) {
    for (const name of [tls[field] ?? []].flat()) {
      if (name === '' || name.includes('://')) continue;
      const message = missingSecret(name, places, namespacesOf.get(name) ?? []);
      if (message === undefined) continue;
      const found = { code: 'invalid-credential', severity: 'error', istio: 'IST0101' } as const;
      return [problemAt(bound, ['tls', field], { ...found, message })];
    }
  }
  return [];
}

function missingSecret(
  name: string,
  { namespaces, what }: Places,
  found: readonly string[],
): string | undefined {
  if (found.length === 0) return `the server is not served: there is no Secret ${name}`;
  if (namespaces.size === 0 || found.some((namespace) => namespaces.has(namespace)))
    return undefined;
  const here = [...namespaces].join(', ');
  return `the Secret ${name} is in ${found.join(', ')}, but ${what} of the gateway in ${here}; it must be there`;
}

function missingPort(bound: Bound, { services }: Places): Problem[] {
  const [first] = services;
  const { number } = bound.server.port;
  const has = services.some(({ ports }) =>
    ports.some((port) => port.number === number || Number(port.targetPort) === number),
  );
  if (first === undefined || has || number === 0) return [];
  const message = `the Service ${first.name}.${first.namespace} of the gateway has no port ${number}`;
  const code = 'gateway-port-not-in-service';
  return [problemAt(bound, ['port', 'number'], { code, severity: 'warning', message })];
}

/**
 * A browser takes one connection for all names of a certificate (RFC 9113, 9.1.1), and each server has hosts of its
 * own: requests for those of the other server get a 404.
 */
function sharedCertificate(bound: Bound, seen: Map<string, Bound[]>): Problem[] {
  const { gateway, server } = bound;
  const { tls, port } = server;
  if (!tls || port.protocol !== 'HTTPS') return [];
  for (const name of certificatesOf(tls)) {
    const key = `${port.number} ${name}`;
    const others = seen.get(key) ?? [];
    const other = others.find((each) => meet(each.gateway, gateway));
    others.push(bound);
    seen.set(key, others);
    if (other === undefined) continue;
    const where = other.gateway === gateway ? '' : ` of Gateway ${other.gateway.name}`;
    const message =
      `the server ${other.server.name || other.server.port.name}${where} has this certificate, too: ` +
      'browsers use one connection for both, and a 404 answers what is of the other; put the hosts into one server';
    const code = 'shared-certificate';
    return [problemAt(bound, ['tls'], { code, severity: 'warning', message })];
  }
  return [];
}

function certificatesOf(tls: NonNullable<GatewayServer['tls']>): readonly string[] {
  const names = [tls.credentialName ?? [], tls.credentialNames ?? []].flat().filter(Boolean);
  const files = [tls, ...(tls.tlsCertificates ?? [])].flatMap(
    ({ serverCertificate, privateKey }) =>
      serverCertificate && privateKey ? [`${serverCertificate} ${privateKey}`] : [],
  );
  return [...names, ...files];
}

/** Whether the routers of one are routers of the other, too. */
function meet({ selector: { labels: a } }: Gateway, { selector: { labels: b } }: Gateway): boolean {
  return hasLabels(a, b) || hasLabels(b, a);
}
