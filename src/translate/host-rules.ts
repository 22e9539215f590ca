// Which VirtualService is in force for which host. Rules for one host are not merged: the oldest that has a route
// for the client counts. A rule for the host itself goes before any wildcard, a longer wildcard before a shorter.
import { memoize } from '../lib/memo.js';
import type { VirtualService } from '../mesh/rules.js';

interface HostRules {
  /** By host, oldest first. */
  exact: ReadonlyMap<string, readonly VirtualService[]>;
  /** The oldest rule of each wildcard, the most specific wildcard first. */
  wildcards: readonly { host: string; rule: VirtualService }[];
}

/** The rules that may be in force for a service, the first choice first. `rules` are oldest first. */
export function rulesFor(
  rules: readonly VirtualService[],
  hostname: string,
): readonly VirtualService[] {
  const { exact, wildcards } = index(rules);
  const host = hostname.toLowerCase();
  const own = exact.get(host);
  if (own !== undefined) return own;
  const name = isWildcard(host) ? host.slice(1) : host;
  const best =
    wildcards.find((wildcard) => wildcard.host === host) ??
    wildcards.find((wildcard) => name.endsWith(wildcard.host.slice(1)));
  return best === undefined ? [] : [best.rule];
}

/** Hosts of a rule in lower case, the exact ones first, each once. */
export function hostsOf(rule: VirtualService): readonly string[] {
  const hosts = [...new Set(rule.hosts.map((host) => host.toLowerCase()))];
  return [...hosts.filter((host) => !isWildcard(host)), ...hosts.filter(isWildcard)];
}

export function isWildcard(host: string): boolean {
  return host.startsWith('*');
}

/** Whether a host and a pattern have names in common; both may be wildcards. */
export function overlaps(host: string, pattern: string): boolean {
  if (!isWildcard(pattern)) return isWildcard(host) ? overlaps(pattern, host) : host === pattern;
  const name = isWildcard(host) ? host.slice(1) : host;
  const suffix = pattern.slice(1);
  return name.endsWith(suffix) || (isWildcard(host) && suffix.endsWith(name));
}

const index = memoize((rules: readonly VirtualService[]): HostRules => {
  const exact = new Map<string, VirtualService[]>();
  const wildcards = new Map<string, VirtualService>();
  for (const rule of rules) {
    for (const host of hostsOf(rule)) {
      if (isWildcard(host)) {
        if (!wildcards.has(host)) wildcards.set(host, rule);
      } else exact.set(host, [...(exact.get(host) ?? []), rule]);
    }
  }
  const bySpecificity = [...wildcards]
    .map(([host, rule]) => ({ host, rule }))
    .sort((a, b) => b.host.length - a.host.length);
  return { exact, wildcards: bySpecificity };
});
