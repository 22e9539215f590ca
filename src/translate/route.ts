// One outbound route configuration (RDS): the virtual hosts of a listener port, or the one of a sniffed service.
// What the virtual hosts are is in virtual-host.ts.
import type { RouteConfiguration } from '../envoy/gen/types/envoy/config/route/v3/RouteConfiguration.js';
import type { VirtualHost } from '../envoy/gen/types/envoy/config/route/v3/VirtualHost.js';
import { memoize, sameOr } from '../lib/memo.js';
import type { MeshSettings } from '../mesh/mesh-settings.js';
import type { ProxyTraits, ServiceView } from '../mesh/proxy-view.js';
import type { VirtualService } from '../mesh/rules.js';
import { portRouteName } from './names.js';
import { type PortHosts, portVirtualHosts, sniffedVirtualHost } from './virtual-host.js';

/** All that one route configuration is made of. */
export interface RouteRequest {
  /** RDS name: `PORT` (portRouteName), or `HOST:PORT` (serviceRouteName) for one sniffed service. */
  name: string;
  /** The port that clients call: that of the listener. */
  port: number;
  /** The services that get a virtual host: those with an HTTP or undeclared `port`, or the one of `HOST:PORT`. */
  services: readonly ServiceView[];
  /** All visible services, sorted by hostname: what destinations and hosts of rules are looked up in. */
  outbound: readonly ServiceView[];
  /** Visible rules bound to `mesh`, oldest first. */
  virtualServices: readonly VirtualService[];
  proxy: ProxyTraits;
  settings: MeshSettings;
}

/** Istio's limit for bodies of direct responses (Envoy's own is 4 KiB). */
const DIRECT_RESPONSE_BYTES_MAX = 1024 * 1024;

/**
 * Builds one route configuration. Pure. Virtual hosts keep their identity while their own rule, destinations and
 * settings do, and a configuration keeps its own while its virtual hosts do: an edit of one VirtualService makes new
 * objects only where it is in force.
 */
export function buildRouteConfiguration(request: RouteRequest): RouteConfiguration {
  const { name, port, outbound, proxy, settings } = request;
  const byHostname = servicesByHostname(outbound);
  const hosts: PortHosts = {
    port,
    services: request.services,
    registry: hostnamesAt(outbound, port),
    virtualServices: request.virtualServices,
    client: {
      proxy,
      settings,
      listenerPort: port,
      findService: (hostname) => byHostname.get(hostname),
    },
  };
  const virtualHosts =
    name === portRouteName(port)
      ? portVirtualHosts(hosts)
      : request.services.map((view) => sniffedVirtualHost(view, hosts));
  return remembered(proxy, name, virtualHosts);
}

/** The last configurations of a proxy by name: given again while their virtual hosts are the same objects. */
const lastBuilt = memoize((_proxy: ProxyTraits) => new Map<string, RouteConfiguration>());

function remembered(
  proxy: ProxyTraits,
  name: string,
  virtualHosts: VirtualHost[],
): RouteConfiguration {
  const built = lastBuilt(proxy);
  const last = built.get(name);
  if (last !== undefined && sameOr(last.virtual_hosts, virtualHosts) === last.virtual_hosts) {
    return last;
  }
  const configuration: RouteConfiguration = {
    name,
    virtual_hosts: virtualHosts,
    validate_clusters: { value: false },
    max_direct_response_body_size_bytes: { value: DIRECT_RESPONSE_BYTES_MAX },
    ignore_port_in_host_matching: true,
  };
  built.set(name, configuration);
  return configuration;
}

const servicesByHostname = memoize(
  (services: readonly ServiceView[]): ReadonlyMap<string, ServiceView> =>
    new Map(services.map((view) => [view.service.hostname, view])),
);

/** Hostnames, in lower case, of the services that have a port. */
const hostnamesAt = memoize(
  (services: readonly ServiceView[], port: number): ReadonlySet<string> =>
    new Set(
      services
        .filter((view) => view.service.ports.some((each) => each.number === port))
        .map((view) => view.service.hostname.toLowerCase()),
    ),
);
