// Hosts of a server of a Gateway and of the rules bound to it: what they have in common is what is served.
import type { GatewayHost, GatewayServer } from '../mesh/gateway.js';
import { hostCovers } from '../mesh/host-name.js';
import type { VirtualService } from '../mesh/rules.js';
import { hostsOf } from './host-rules.js';

/** The names that both stand for, as the narrower of the two; undefined when there are none. */
function intersection(a: string, b: string): string | undefined {
  if (hostCovers(a, b)) return b;
  return hostCovers(b, a) ? a : undefined;
}

/** The hosts of a server that the rules of a namespace may have. */
function hostsFor(hosts: readonly GatewayHost[], namespace: string): readonly string[] {
  return hosts
    .filter((entry) => entry.namespace === '*' || entry.namespace === namespace)
    .map(({ host }) => host);
}

/** The hosts of a rule that a server serves, in the order of the rule; each once (Istio API, Server.hosts). */
export function servedHosts({ hosts }: GatewayServer, rule: VirtualService): readonly string[] {
  const allowed = hostsFor(hosts, rule.source.namespace);
  const served = hostsOf(rule).flatMap((own) =>
    allowed.flatMap((host) => intersection(host, own) ?? []),
  );
  return [...new Set(served)];
}

/** The server names of a server's chain: its hosts, each once. */
export function serverNamesOf({ hosts }: GatewayServer): readonly string[] {
  return [...new Set(hosts.map(({ host }) => host))];
}
