// One outbound route configuration (RDS): the virtual hosts of a listener port, or the one of a sniffed service.
// What the virtual hosts are is in virtual-host.ts.
import type { RouteConfiguration } from '../envoy/gen/types/envoy/config/route/v3/RouteConfiguration.js';
import type { VirtualHost } from '../envoy/gen/types/envoy/config/route/v3/VirtualHost.js';
import { memoize, sameOr } from '../lib/memo.js';
import type { MeshSettings } from '../mesh/mesh-settings.js';
import type { ProxyTraits, ServiceView } from '../mesh/proxy-view.js';
import type { VirtualService } from '../mesh/rules.js';
import type { Service } from '../mesh/service.js';
import { servicesByName } from './destination.js';
import { httpProxyVirtualHosts } from './http-proxy-route.js';
import { parseSocketRouteName, portRouteName } from './names.js';
import { ofServices } from './service-views.js';
import { type PortHosts, portVirtualHosts, sniffedVirtualHost } from './virtual-host.js';

/** All that one route configuration is made of. */
export interface RouteRequest {
  /** RDS name: `PORT`, `HOST:PORT` for one sniffed service, `http_proxy`, or `unix://PATH`. */
  name: string;
  /** The port that clients call: that of the listener; 0 for HTTP proxies and sockets, whose clients name it. */
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
  const { proxy, name, port } = request;
  return routeConfigurationOf(proxy, name, virtualHosts(request), port === 0);
}

function virtualHosts(request: RouteRequest): readonly VirtualHost[] {
  const { name, port, services } = request;
  if (port === 0) {
    const ofPort = (each: number, views: readonly ServiceView[]) =>
      portVirtualHosts(hostsAt(request, each, views));
    return httpProxyVirtualHosts(services, ofPort, parseSocketRouteName(name) !== undefined);
  }
  if (name === portRouteName(port)) return portVirtualHosts(hostsAt(request, port, services));
  const hosts = hostsAt(request, port, services);
  return services.map((view) => sniffedVirtualHost(view, hosts));
}

function hostsAt(
  { outbound, virtualServices, proxy, settings }: RouteRequest,
  port: number,
  services: readonly ServiceView[],
): PortHosts {
  const byName = servicesByName(outbound);
  return {
    port,
    services,
    outbound,
    registry: hostnamesByPort(outbound).get(port) ?? noHostnames,
    virtualServices,
    client: {
      proxy,
      settings,
      listenerPort: port,
      findService: (hostname) => byName.get(hostname),
    },
  };
}

/** The last configurations of a proxy by name: given again while their virtual hosts are the same objects. */
const lastBuilt = memoize((_proxy: ProxyTraits) => new Map<string, RouteConfiguration>());

/**
 * The configuration of virtual hosts; the same object while these are, for one proxy and name. `namesPort`: a client
 * says by the port of the host which port it means; all others have called the port already.
 */
export function routeConfigurationOf(
  proxy: ProxyTraits,
  name: string,
  hosts: readonly VirtualHost[],
  namesPort: boolean,
): RouteConfiguration {
  const built = lastBuilt(proxy);
  const last = built.get(name);
  if (
    last?.ignore_port_in_host_matching === !namesPort &&
    sameOr(last.virtual_hosts, hosts) === last.virtual_hosts
  ) {
    return last;
  }
  const configuration: RouteConfiguration = {
    name,
    virtual_hosts: hosts as VirtualHost[],
    validate_clusters: { value: false },
    max_direct_response_body_size_bytes: { value: DIRECT_RESPONSE_BYTES_MAX },
    ignore_port_in_host_matching: !namesPort,
  };
  built.set(name, configuration);
  return configuration;
}

const noHostnames: ReadonlySet<string> = new Set();

type HostnamesByPort = ReadonlyMap<number, ReadonlySet<string>>;

/** The last of each list of services, by the first of them: rules in force may change, and hostnames stay. */
const lastHostnames = new WeakMap<
  Service,
  { services: readonly Service[]; byPort: HostnamesByPort }
>();

/** Hostnames and aliases, in lower case, of the services that have a port. */
const hostnamesByPort = ofServices((views: readonly ServiceView[]): HostnamesByPort => {
  const services = views.map(({ service }) => service);
  const [first] = services;
  if (first === undefined) return new Map();
  const last = lastHostnames.get(first);
  if (last !== undefined && sameOr(last.services, services) === last.services) return last.byPort;
  const byPort = new Map<number, Set<string>>();
  for (const { ports, hostname, aliases = [] } of services) {
    for (const { number } of ports) {
      const known = byPort.get(number) ?? new Set<string>();
      byPort.set(number, known);
      for (const host of [hostname, ...aliases]) known.add(host.toLowerCase());
    }
  }
  lastHostnames.set(first, { services, byPort });
  return byPort;
});
