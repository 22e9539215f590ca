// Findings about the Gateways that VirtualServices name: those that do not exist, and those that have none of the hosts.
// What Gateways do is not here: of their specs, only the hosts are read, and nothing is taken for granted.
import type { FieldPath, Problem } from '../kinds/problem.js';
import type { Resource } from '../kinds/resource.js';
import type { GatewayHost } from './gateway.js';
import { hostCovers } from './host-name.js';
import type { Mesh } from './mesh.js';
import type { VirtualService } from './rules.js';

/** Everything about references to Gateways. */
export function analyzeGateways(mesh: Mesh): Problem[] {
  const { sorted } = mesh.parts;
  const hostsOf = new Map<string, readonly GatewayHost[]>();
  for (const gateway of sorted['Gateway.gateway.networking.k8s.io'].sorted) {
    hostsOf.set(nameOf(gateway), listenerHosts(gateway));
  }
  for (const { name, servers } of mesh.gateways) {
    hostsOf.set(
      name,
      servers.flatMap(({ hosts }) => hosts),
    );
  }
  return mesh.writtenVirtualServices.flatMap((rule) => [
    ...rule.gateways.flatMap((name, i) => boundProblems(rule, name, i, hostsOf)),
    ...matchProblems(rule, hostsOf),
  ]);
}

const nameOf = ({ namespace, name }: Resource) => `${namespace}/${name}`;

function boundProblems(
  rule: VirtualService,
  name: string,
  i: number,
  hostsOf: ReadonlyMap<string, readonly GatewayHost[]>,
): Problem[] {
  const path = ['spec', 'gateways', i];
  if (name === 'mesh') return [];
  const hosts = hostsOf.get(name);
  if (hosts === undefined) return [unknown(rule, path, name)];
  const { namespace } = rule.source;
  const has = rule.hosts.some((own) =>
    hosts.some(
      (entry) =>
        (entry.namespace === '*' || entry.namespace === namespace) &&
        (hostCovers(entry.host, own) || hostCovers(own, entry.host)),
    ),
  );
  // A delegate has no hosts.
  if (has || rule.hosts.length === 0) return [];
  const message = `the Gateway ${name} has no server for ${rule.hosts.join(', ')}`;
  const code = 'host-not-in-gateway';
  return [{ code, severity: 'warning', message, resource: rule.source, path }];
}

/** Gateways of single matches. */
function matchProblems(
  rule: VirtualService,
  hostsOf: ReadonlyMap<string, readonly GatewayHost[]>,
): Problem[] {
  return (['http', 'tcp', 'tls'] as const).flatMap((section) =>
    rule[section].flatMap(({ match = [] }, i) =>
      match.flatMap(({ gateways = [] }, j) =>
        gateways.flatMap((name, k) => {
          if (name === 'mesh' || hostsOf.has(name)) return [];
          return [unknown(rule, ['spec', section, i, 'match', j, 'gateways', k], name)];
        }),
      ),
    ),
  );
}

function unknown({ source }: VirtualService, path: FieldPath, name: string): Problem {
  const message = `there is no Gateway ${name}`;
  return { code: 'unknown-gateway', severity: 'error', message, resource: source, path };
}

/** Entries of a list, whatever stands in its place. */
function entries(value: unknown): readonly Record<string, unknown>[] {
  return Array.isArray(value) ? value.filter((one) => typeof one === 'object' && one !== null) : [];
}

/** `spec.listeners[].hostname` of Kubernetes' Gateway; none is any. */
function listenerHosts({ spec }: Resource): readonly GatewayHost[] {
  return entries((spec as { listeners?: unknown } | undefined)?.listeners).map(({ hostname }) => ({
    namespace: '*',
    host: typeof hostname === 'string' && hostname !== '' ? hostname : '*',
  }));
}
