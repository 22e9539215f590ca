// Envoy's configuration as tables: one row per cluster, listener chain, route or endpoint, with the filters that
// `istioctl proxy-config` users know. Input is canonical protobuf JSON.
import type { ProxyConfiguration } from '../../status/state.js';
import { parseClusterName } from '../../translate/names.js';
import { formatTable } from '../output.js';

/** All given filters must match. `host` is a substring of a host name, `name` an exact resource name. */
export interface ConfigFilter {
  name?: string;
  port?: number;
  host?: string;
}

type Json = Record<string, unknown>;
type ConfigType = keyof ProxyConfiguration;

const at = (value: unknown, ...path: (string | number)[]): unknown =>
  path.reduce<unknown>(
    (v, step) => (v as Record<string | number, unknown> | undefined)?.[step],
    value,
  );
const list = (value: unknown): Json[] => (Array.isArray(value) ? (value as Json[]) : []);
const text = (value: unknown): string =>
  value === undefined || value === null ? '' : String(value);

/** Keeps the resources that match. */
export function filterConfig(type: ConfigType, items: unknown[], filter: ConfigFilter): unknown[] {
  return items.filter((item) => {
    const name = text(at(item, 'name') ?? at(item, 'clusterName'));
    if (filter.name !== undefined && name !== filter.name) return false;
    if (filter.port !== undefined && !portsOf(type, item, name).includes(filter.port)) return false;
    return (
      filter.host === undefined || hostsOf(type, item, name).some((h) => h.includes(filter.host!))
    );
  });
}

function portsOf(type: ConfigType, item: unknown, name: string): number[] {
  switch (type) {
    case 'clusters':
    case 'endpoints':
      return [parseClusterName(name)?.port ?? -1];
    case 'listeners':
      return [Number(at(item, 'address', 'socketAddress', 'portValue') ?? -1)];
    case 'routes':
      return [Number(/(\d+)(\|\|)?$/.exec(name)?.[1] ?? -1)];
  }
}

function hostsOf(type: ConfigType, item: unknown, name: string): string[] {
  if (type === 'routes')
    return list(at(item, 'virtualHosts')).flatMap((v) => at(v, 'domains') as string[]);
  if (type === 'listeners') return [name, text(at(item, 'address', 'socketAddress', 'address'))];
  return [parseClusterName(name)?.host ?? name];
}

function clusterTable(items: unknown[]): string {
  return formatTable(
    ['SERVICE FQDN', 'PORT', 'SUBSET', 'DIRECTION', 'TYPE', 'DESTINATION RULE'],
    items.map((item) => {
      const name = text(at(item, 'name'));
      const parts = parseClusterName(name);
      const rule = text(at(item, 'metadata', 'filterMetadata', 'istio', 'config'));
      return [
        parts?.host || (parts ? '' : name),
        parts ? String(parts.port) : '-',
        parts?.subset || '-',
        parts?.direction ?? '-',
        text(at(item, 'type') ?? at(item, 'clusterType', 'name') ?? 'STATIC'),
        /destination-rule\/(.*)$/.exec(rule)?.[1] ?? '',
      ];
    }),
  );
}

function endpointTable(items: unknown[]): string {
  const rows = items.flatMap((item) =>
    list(at(item, 'endpoints')).flatMap((locality) =>
      list(at(locality, 'lbEndpoints')).map((endpoint) => {
        const address = at(endpoint, 'endpoint', 'address');
        const socket = at(address, 'socketAddress');
        const where = socket
          ? `${text(at(socket, 'address'))}:${text(at(socket, 'portValue'))}`
          : text(at(address, 'pipe', 'path'));
        return [
          where,
          text(at(endpoint, 'healthStatus') ?? 'HEALTHY'),
          text(at(item, 'clusterName')),
        ];
      }),
    ),
  );
  return formatTable(['ENDPOINT', 'STATUS', 'CLUSTER'], rows);
}

function listenerTable(items: unknown[]): string {
  const rows = items.flatMap((item) => {
    const address = text(at(item, 'address', 'socketAddress', 'address'));
    const port = text(at(item, 'address', 'socketAddress', 'portValue'));
    const last = at(item, 'defaultFilterChain');
    const chains = [...list(at(item, 'filterChains')), ...(last ? [last as Json] : [])];
    return chains.map((chain) => [
      text(at(item, 'name')),
      address,
      port,
      chain === last ? 'default' : chainMatch(at(chain, 'filterChainMatch')),
      chainDestination(chain),
    ]);
  });
  return formatTable(['NAME', 'ADDRESS', 'PORT', 'MATCH', 'DESTINATION'], rows);
}

function chainMatch(match: unknown): string {
  const ranges = list(at(match, 'prefixRanges')).map(
    (r) => `${text(r['addressPrefix'])}/${text(r['prefixLen'])}`,
  );
  const parts = [
    ['Port', text(at(match, 'destinationPort'))],
    ['Addr', ranges.join(',')],
    ['SNI', text(at(match, 'serverNames'))],
    ['Trans', text(at(match, 'transportProtocol'))],
    ['App', text(at(match, 'applicationProtocols'))],
  ].filter(([, value]) => value !== '');
  return parts.length === 0 ? 'ALL' : parts.map(([key, value]) => `${key}: ${value}`).join('; ');
}

function chainDestination(chain: unknown): string {
  for (const filter of list(at(chain, 'filters'))) {
    const config = at(filter, 'typedConfig');
    const route = at(config, 'rds', 'routeConfigName') ?? at(config, 'routeConfig', 'name');
    if (route !== undefined) return `Route: ${text(route)}`;
    const cluster = at(config, 'cluster');
    if (cluster !== undefined) return `Cluster: ${text(cluster)}`;
    const weighted = list(at(config, 'weightedClusters', 'clusters'));
    if (weighted.length > 0) {
      return weighted.map((c) => `Cluster: ${text(c['name'])} (${text(c['weight'])})`).join(', ');
    }
  }
  return '-';
}

function routeTable(items: unknown[]): string {
  const rows = items.flatMap((item) =>
    list(at(item, 'virtualHosts')).flatMap((host) =>
      list(host['routes']).map((route) => [
        text(at(item, 'name')),
        text(host['name']),
        (host['domains'] as string[]).slice(0, 2).join(', ') +
          ((host['domains'] as string[]).length > 2 ? ', …' : ''),
        routeMatch(route['match']),
        routeTarget(route),
      ]),
    ),
  );
  return formatTable(['NAME', 'VHOST NAME', 'DOMAINS', 'MATCH', 'TARGET'], rows);
}

function routeMatch(match: unknown): string {
  const path =
    at(match, 'path') ?? at(match, 'safeRegex', 'regex') ?? `${text(at(match, 'prefix') ?? '/')}*`;
  const headers = list(at(match, 'headers')).map((h) => text(h['name']));
  return headers.length === 0 ? text(path) : `${text(path)} [${headers.join(', ')}]`;
}

function routeTarget(route: unknown): string {
  const cluster = at(route, 'route', 'cluster');
  if (cluster !== undefined) return text(cluster);
  const weighted = list(at(route, 'route', 'weightedClusters', 'clusters'));
  if (weighted.length > 0) {
    return weighted.map((c) => `${text(c['name'])} (${text(at(c, 'weight'))})`).join(', ');
  }
  if (at(route, 'redirect') !== undefined) return 'redirect';
  return `direct response ${text(at(route, 'directResponse', 'status'))}`;
}

/** The table of each type. */
export const configTables: Readonly<Record<ConfigType, (items: unknown[]) => string>> = {
  clusters: clusterTable,
  endpoints: endpointTable,
  listeners: listenerTable,
  routes: routeTable,
};
