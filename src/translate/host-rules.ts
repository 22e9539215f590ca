// Which VirtualService is in force for which host. Rules for one host are not merged: the oldest that has a route
// for the client counts. A rule for the host itself goes before any wildcard, a longer wildcard before a shorter.
import { memoize } from '../lib/memo.js';
import { hostCovers, hostIndex, isWildcard, mostSpecific } from '../mesh/host-name.js';
import type { VirtualService } from '../mesh/rules.js';

/** The rules that may be in force for a service, the first choice first. `rules` are oldest first. */
export function rulesFor(
  rules: readonly VirtualService[],
  hostname: string,
): readonly VirtualService[] {
  const index = indexOf(rules);
  const host = hostname.toLowerCase();
  // As in Istio, only the oldest rule of a wildcard is looked at, even when it has nothing for this client.
  return index.exact.get(host) ?? mostSpecific(index, host)?.slice(0, 1) ?? [];
}

/** Hosts of a rule in lower case, the exact ones first, each once. */
export const hostsOf = memoize((rule: VirtualService): readonly string[] => {
  const hosts = [...new Set(rule.hosts.map((host) => host.toLowerCase()))];
  return [...hosts.filter((host) => !isWildcard(host)), ...hosts.filter(isWildcard)];
});

/** Whether two hosts have names in common; both may be wildcards. */
export function overlaps(a: string, b: string): boolean {
  return hostCovers(a, b) || hostCovers(b, a);
}

const indexOf = memoize((rules: readonly VirtualService[]) => {
  const byHost = new Map<string, VirtualService[]>();
  for (const rule of rules) {
    for (const host of hostsOf(rule)) byHost.set(host, [...(byHost.get(host) ?? []), rule]);
  }
  return hostIndex(byHost);
});
