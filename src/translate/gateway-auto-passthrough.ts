// AUTO_PASSTHROUGH: connections whose server name says the service, its port and its subset are passed on there
// without being opened (Istio, east-west gateways). The clusters have the same names.
import { memoize } from '../lib/memo.js';
import type { Gateway, GatewayServer } from '../mesh/gateway.js';
import { hostCovers, isWildcard } from '../mesh/host-name.js';
import type { ServiceView } from '../mesh/proxy-view.js';
import { serverNamesOf } from './gateway-hosts.js';
import type { SniChain } from './gateway-tcp.js';
import { sniClusterName } from './names.js';
import { singleCluster } from './tcp-proxy.js';

/** Whether any server passes connections on by themselves, so that there are clusters for it. */
export function passesThrough(gateways: readonly Gateway[] | undefined): boolean {
  return gateways !== undefined && anyAutomatic(gateways);
}

const anyAutomatic = memoize((gateways: readonly Gateway[]) =>
  gateways.some(({ servers }) => servers.some(({ tls }) => tls?.mode === 'AUTO_PASSTHROUGH')),
);

/** A chain for each port and subset of the services that a server's hosts cover. */
export function autoPassthroughChains(
  server: GatewayServer,
  services: readonly ServiceView[],
): SniChain[] {
  const hosts = serverNamesOf(server);
  return (
    services
      .filter(({ service }) => hosts.some((host) => hostCovers(host, service.hostname)))
      // No client names a wildcard, and Envoy refuses one in the middle of a server name.
      .filter(({ service }) => !isWildcard(service.hostname))
      .flatMap(({ service, destinationRule }) =>
        service.ports.flatMap(({ number, protocol }) => {
          if (protocol === 'UDP') return [];
          const subsets = ['', ...(destinationRule?.subsets ?? []).map(({ name }) => name)];
          return subsets.map((subset): SniChain => {
            const name = sniClusterName(service.hostname, number, subset);
            return { serverNames: [name], tcp: singleCluster(name) };
          });
        }),
      )
  );
}
