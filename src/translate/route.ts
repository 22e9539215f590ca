// One outbound route configuration (RDS): the virtual hosts of a listener port, or the one of a sniffed service,
// and what happens to hosts that the mesh does not know. What a virtual host holds is in virtual-host.ts.
import type { RouteConfiguration } from '../envoy/gen/types/envoy/config/route/v3/RouteConfiguration.js';
import type { MeshSettings } from '../mesh/mesh-settings.js';
import type { ProxyTraits, ServiceView } from '../mesh/proxy-view.js';
import type { VirtualService } from '../mesh/rules.js';

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

/** Builds one route configuration. Pure; equal parts keep their identity from one call to the next. */
export function buildRouteConfiguration(request: RouteRequest): RouteConfiguration {
  return { name: request.name, virtual_hosts: [] };
}
