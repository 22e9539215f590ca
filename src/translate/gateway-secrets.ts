// The secrets that the listeners of a router name.
import type { Secret } from '../envoy/gen/types/envoy/extensions/transport_sockets/tls/v3/Secret.js';
import type { ProxyView } from '../mesh/proxy-view.js';
import { gatewayPlan } from './gateway-plan.js';
import { secretsFor } from './server-secrets.js';

/** What the servers of a router name; the same objects for the same Secrets. */
export function gatewaySecrets(view: ProxyView): Secret[] {
  return gatewayPlan(view).listeners.flatMap(({ chains }) =>
    chains.flatMap(({ tls }) =>
      tls ? secretsFor(tls.credentials, view.secrets, view.settings) : [],
    ),
  );
}
