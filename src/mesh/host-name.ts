// Host names as rules write them: short names, wildcards, and which of several patterns is the most specific. Which
// services exist is not known here.

/**
 * The host that a rule means: a name without a dot is a service of the rule's own namespace, any other name stands as
 * it is, as do `*` and IP addresses (Istio API, Destination.host: "short names are interpreted based on the
 * namespace of the rule"). Note that `reviews.prod` is not expanded.
 */
export function resolveHost(host: string, namespace: string, domainSuffix: string): string {
  if (host === '' || host === '*' || host.includes('.') || host.includes(':')) return host;
  return serviceHostName(host, namespace, domainSuffix);
}

/** The host of a v1 Service: `name.namespace.svc.DOMAIN`. */
export function serviceHostName(name: string, namespace: string, domainSuffix: string): string {
  return `${name}.${namespace}.svc.${domainSuffix}`;
}

/**
 * `namespace/name` of a gateway as VirtualServices name them: `mesh` stands for itself, a plain name is of the rule's
 * namespace, and `name.namespace.…` is the old form of `namespace/name`.
 */
export function resolveGateway(gateway: string, namespace: string): string {
  if (gateway === 'mesh' || gateway.includes('/')) return gateway;
  const [name = gateway, owner] = gateway.split('.');
  return `${owner ?? namespace}/${name}`;
}

/** True for `*` and `*.suffix`. */
export function isWildcard(host: string): boolean {
  return host.startsWith('*');
}

/** True when `pattern` covers every name that `host` stands for; `host` may be a wildcard itself. */
export function hostCovers(pattern: string, host: string): boolean {
  if (!isWildcard(pattern)) return pattern === host;
  if (!isWildcard(host)) return host.endsWith(pattern.slice(1));
  return host.length >= pattern.length && host.slice(1).endsWith(pattern.slice(1));
}

/** Sorts patterns: exact names before wildcards, longer before shorter, then by alphabet. */
export function compareSpecificity(a: string, b: string): number {
  if (isWildcard(a) !== isWildcard(b)) return isWildcard(a) ? 1 : -1;
  if (a.length !== b.length) return b.length - a.length;
  return a < b ? -1 : a > b ? 1 : 0;
}

/** Values by host pattern, to be asked for the most specific one. */
export interface HostIndex<V> {
  exact: ReadonlyMap<string, V>;
  /** Most specific first. */
  wildcards: readonly (readonly [pattern: string, value: V])[];
}

/** Builds the index of a map from pattern to value. */
export function hostIndex<V>(byPattern: ReadonlyMap<string, V>): HostIndex<V> {
  const exact = new Map<string, V>();
  const wildcards: [string, V][] = [];
  for (const [pattern, value] of byPattern) {
    if (isWildcard(pattern)) wildcards.push([pattern, value]);
    else exact.set(pattern, value);
  }
  wildcards.sort(([a], [b]) => compareSpecificity(a, b));
  return { exact, wildcards };
}

/** The value of the most specific pattern that covers `host`. */
export function mostSpecific<V>(index: HostIndex<V>, host: string): V | undefined {
  const found = index.exact.get(host);
  if (found !== undefined) return found;
  for (const [pattern, value] of index.wildcards) if (hostCovers(pattern, host)) return value;
  return undefined;
}
