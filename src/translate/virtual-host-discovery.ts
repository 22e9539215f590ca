// Route configurations cut into what rarely changes (RDS) and virtual hosts that are resources of their own (VHDS), so
// that an edit of one host is sent as that host. What the virtual hosts are is in virtual-host.ts.
import type { RouteConfiguration } from '../envoy/gen/types/envoy/config/route/v3/RouteConfiguration.js';
import type { VirtualHost } from '../envoy/gen/types/envoy/config/route/v3/VirtualHost.js';
import type { EnvoyMessage, ResourceName } from '../envoy/resource.js';
import { memoize } from '../lib/memo.js';
import { virtualHostResourceName } from './names.js';

type ByName = ReadonlyMap<ResourceName, EnvoyMessage>;

/** RDS and VHDS of a proxy. */
export interface SplitRoutes {
  routes: ByName;
  virtualHosts: ByName;
}

/** Cuts all route configurations. The same result for the same map; equal parts keep their identity. */
export const splitRoutes = memoize((configurations: ByName): SplitRoutes => {
  const routes = new Map<ResourceName, EnvoyMessage>();
  const virtualHosts = new Map<ResourceName, EnvoyMessage>();
  for (const [name, configuration] of configurations) {
    const { rest, hosts } = split(configuration as RouteConfiguration);
    routes.set(name, rest);
    for (const host of hosts) virtualHosts.set(host.name ?? '', host);
  }
  return { routes, virtualHosts };
});

/**
 * The catch-all stays in the configuration: there is always exactly one, so it must not be in neither of the two
 * messages nor in both. A configuration without other hosts is left as it is, as Envoy waits for the first one.
 */
const split = memoize((configuration: RouteConfiguration) => {
  const { name = '', virtual_hosts: all = [] } = configuration;
  const hosts = all.filter(({ domains = [] }) => !domains.includes('*'));
  if (hosts.length === 0) return { rest: configuration, hosts };
  const rest: RouteConfiguration = {
    ...configuration,
    virtual_hosts: all.filter((host) => !hosts.includes(host)),
    vhds: { config_source: { ads: {}, resource_api_version: 'V3' } },
  };
  return { rest, hosts: hosts.map((host) => renamed(host, name)) };
});

/** Envoy finds the virtual host that a later removal names by its own name. */
const renamed = memoize((host: VirtualHost, route: string): VirtualHost => {
  return { ...host, name: virtualHostResourceName(route, host.name ?? '') };
});
