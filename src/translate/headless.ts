// Headless services: clients find an endpoint by DNS and call it by its own address, so a TCP listener stands at each
// of these addresses. This is the only case in which endpoints make listeners.
import { ipFamily } from '../lib/ip.js';
import type { OutboundScope, ServiceView } from '../mesh/proxy-view.js';
import type { Service, ServicePort } from '../mesh/service.js';
import { listenerProtocol } from './listener-protocol.js';
import { ofServices } from './service-views.js';

/**
 * True for a port that has a listener at each endpoint: TCP or undeclared, of a service without addresses whose
 * endpoints the client chooses (v1 Service with clusterIP None, ServiceEntry with resolution NONE).
 */
export function listensAtEndpoints(service: Service, port: ServicePort): boolean {
  const kind = listenerProtocol(port.protocol);
  return (
    service.resolution === 'none' &&
    service.addresses.length === 0 &&
    (kind === 'tcp' || kind === 'auto')
  );
}

/**
 * The addresses of a port's endpoints, each once, in order. Undefined where no endpoints can ever be: such a service
 * (a plain ServiceEntry) stands at the wildcard. An empty list means none right now: no listener, because one at the
 * wildcard would collide with others for as long as the service is scaled down.
 */
export function endpointAddresses(
  { endpoints }: Pick<OutboundScope, 'endpoints'>,
  service: Service,
  port: ServicePort,
): readonly string[] | undefined {
  const found = endpoints.get(service)?.byPort.get(port.number) ?? [];
  if (found.length === 0 && service.registry === 'external' && service.selector === undefined) {
    return undefined;
  }
  const addresses = found
    .map(({ address }) => address)
    .filter((address) => ipFamily(address) !== 0);
  return [...new Set(addresses)].sort();
}

const headlessPorts = ofServices((services: readonly ServiceView[]) =>
  services.flatMap(({ service }) =>
    service.ports
      .filter((port) => listensAtEndpoints(service, port))
      .map((port) => ({ service, port })),
  ),
);

/** Equal as long as all headless services of the scope have the same addresses. */
export function headlessKey(scope: Pick<OutboundScope, 'services' | 'endpoints'>): string {
  return headlessPorts(scope.services)
    .map(({ service, port }) => endpointAddresses(scope, service, port)?.join() ?? '*')
    .join(';');
}
