// Which outbound listeners and routes a view needs: the one place that decides what shares a listener, what is
// dropped for a conflict, and what each route configuration covers. No Envoy message is made here.
import type { ProxyView, ServiceView } from '../mesh/proxy-view.js';
import type { Problem } from '../mesh/rules.js';
import type { ServicePort } from '../mesh/service.js';

/** One service port that a listener carries. */
export interface PlannedPort {
  view: ServiceView;
  port: ServicePort;
}

/** One outbound listener: an address and what is served there. */
export interface OutboundListenerPlan {
  /** Listener name, e.g. `0.0.0.0_8080`. */
  name: string;
  /** First the primary address. */
  addresses: readonly string[];
  port: number;
  bindToPort: boolean;
  /** Name of the route configuration of the HTTP chain; absent without HTTP. */
  route?: string;
  /** Ports that are plain TCP (or TLS) here, in order of age. */
  tcp: readonly PlannedPort[];
}

/** One route configuration that a listener asks for by name. */
export interface OutboundRoutePlan {
  name: string;
  port: number;
  services: readonly ServiceView[];
}

export interface OutboundPlan {
  listeners: readonly OutboundListenerPlan[];
  routes: readonly OutboundRoutePlan[];
  problems: readonly Problem[];
}

/** Decides the outbound side of a view. Memoised on the identity of the view's parts. */
export function outboundPlan(_view: ProxyView): OutboundPlan {
  return { listeners: [], routes: [], problems: [] };
}
