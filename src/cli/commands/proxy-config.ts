// `fairlead proxy-config TYPE PROXY`: what was made for one proxy, as a table or as Envoy's JSON, filtered.
import { ControlPlaneError } from '../../lib/error.js';
import type { ProxyConfiguration } from '../../status/state.js';
import { getApi } from '../api-client.js';
import { loadOffline, offlineConfiguration } from '../offline.js';
import { type OutputFormat, print } from '../output.js';
import { describedNode, type IdentityOptions, identityOf } from '../proxy-identity.js';
import { type ConfigFilter, configTables, filterConfig } from './config-tables.js';

export type ConfigType = keyof ProxyConfiguration;

const spellings: Readonly<Record<string, ConfigType>> = {
  cluster: 'clusters',
  clusters: 'clusters',
  cds: 'clusters',
  endpoint: 'endpoints',
  endpoints: 'endpoints',
  eds: 'endpoints',
  listener: 'listeners',
  listeners: 'listeners',
  lds: 'listeners',
  route: 'routes',
  routes: 'routes',
  rds: 'routes',
};

/** The type that a user means; `all` gives all four. Wrong words are wrong usage. */
export function configTypes(where: string, word: string): readonly ConfigType[] {
  if (word === 'all') return ['clusters', 'endpoints', 'listeners', 'routes'];
  const lower = word.toLowerCase();
  const type = Object.hasOwn(spellings, lower) ? spellings[lower] : undefined;
  if (type === undefined) {
    throw new ControlPlaneError(
      'usage',
      `${where} takes clusters, listeners, routes, endpoints or all, not ${word}`,
    );
  }
  return [type];
}

/** Prints the wanted types of a configuration, filtered. JSON of one type is an array, of several an object. */
export function printConfiguration(
  configuration: ProxyConfiguration,
  types: readonly ConfigType[],
  options: { filter: ConfigFilter; output: OutputFormat },
): void {
  const selected = Object.fromEntries(
    types.map((type) => [type, filterConfig(type, configuration[type], options.filter)]),
  ) as Partial<ProxyConfiguration>;
  const [only] = types;
  const value = types.length === 1 && only ? selected[only] : selected;
  print(options.output, value, () =>
    types.map((type) => configTables[type](selected[type] ?? [])).join('\n\n'),
  );
}

export interface ProxyConfigOptions extends Partial<IdentityOptions> {
  config?: string;
  meshConfig?: string;
  admin: string;
  name?: string;
  port?: number;
  host?: string;
  output: OutputFormat;
}

/** Asks the server, or translates offline when a directory is given; the proxy may then be a plain name. */
export async function runProxyConfig(
  word: string,
  proxy: string | undefined,
  options: ProxyConfigOptions,
): Promise<number> {
  const types = configTypes('proxy-config', word);
  const { name, port, host } = options;
  printConfiguration(await readConfiguration(proxy, options), types, {
    filter: { name, port, host },
    output: options.output,
  });
  return 0;
}

async function readConfiguration(
  proxy: string | undefined,
  options: ProxyConfigOptions,
): Promise<ProxyConfiguration> {
  const node = proxy ?? options.node;
  if (options.config !== undefined) {
    const described = describedNode(identityOf({ ...options, node }));
    const offline = await loadOffline(options.config, options.meshConfig);
    return offlineConfiguration(offline, described);
  }
  if (node === undefined)
    throw new ControlPlaneError('usage', 'name a proxy; proxy-status lists them');
  return getApi<ProxyConfiguration>(options.admin, `/proxies/${encodeURIComponent(node)}/config`);
}
