// Sidecar.ingress: the ports that a workload serves by its own word, in place of those that services select.

import { parseDefaultEndpoint } from '../kinds/sidecar-check.js';
import { memoize } from '../lib/memo.js';
import { serviceEntryProtocol } from './protocol.js';
import type { InboundListenerSettings, InboundPort } from './proxy-view.js';
import type { Protocol, Service } from './service.js';
import type { Sidecar } from './sidecar.js';

type Ingress = Sidecar['ingress'][number];

/** The ports, sorted; the same objects for the same Sidecar. Undefined: services decide. */
export const ingressPorts = memoize((sidecar: Sidecar): readonly InboundPort[] | undefined => {
  const { ingress } = sidecar;
  if (ingress.length === 0) return undefined;
  const ports = ingress.map((entry): InboundPort => {
    const { port, defaultEndpoint, connectionPool } = entry;
    const tls = terminatedTls(entry);
    const protocol = serviceEntryProtocol(port.number, port.protocol);
    const servicePort = {
      number: port.number,
      name: port.name ?? '',
      protocol: tls ? withoutTls(protocol) : protocol,
    };
    const listener = listenerSettings(entry);
    const endpoint =
      defaultEndpoint === undefined ? undefined : parseDefaultEndpoint(defaultEndpoint);
    const pool = connectionPool ?? sidecar.inboundConnectionPool;
    return {
      service: servedBy(sidecar),
      port: servicePort,
      targetPort: port.number,
      ...(endpoint && { endpoint }),
      ...(listener && { listener }),
      ...(pool && { connectionPool: pool }),
    };
  });
  return ports.sort((a, b) => a.targetPort - b.targetPort);
});

/** Ports of a Sidecar with the services that lead to them, the oldest of each; `served` is sorted by age. */
export function withServices(
  ports: readonly InboundPort[],
  served: readonly InboundPort[],
): readonly InboundPort[] {
  return ports.map((port) => {
    const found = served.find(({ targetPort }) => targetPort === port.targetPort);
    return found === undefined ? port : selectedPort(port, found.service);
  });
}

const selectedPort = memoize(
  (port: InboundPort, selectedBy: Service): InboundPort => ({ ...port, selectedBy }),
);

/** What the application speaks behind a sidecar that terminates TLS. */
function withoutTls(protocol: Protocol): Protocol {
  if (protocol === 'HTTPS') return 'HTTP';
  return protocol === 'TLS' ? 'TCP' : protocol;
}

/** TLS that ends at the sidecar. */
function terminatedTls({ tls }: Ingress): Ingress['tls'] {
  return tls?.mode === undefined || tls.mode === 'PASSTHROUGH' ? undefined : tls;
}

function listenerSettings(entry: Ingress): InboundListenerSettings | undefined {
  const { bind, captureMode } = entry;
  const tls = terminatedTls(entry);
  const explicit = captureMode === 'NONE' || captureMode === 'IPTABLES';
  if (!bind && !explicit && tls === undefined) return undefined;
  return {
    ...(bind && { bind }),
    ...(explicit && { captured: captureMode === 'IPTABLES' }),
    ...(tls && { tls }),
  };
}

/** There need not be a service; as in Istio, telemetry sees `NAME.NAMESPACE` of the Sidecar. */
const servedBy = memoize(
  ({ source }: Sidecar): Service => ({
    hostname: `${source.name}.${source.namespace}`,
    namespace: source.namespace,
    name: source.name,
    registry: 'external',
    addresses: [],
    headless: false,
    ports: [],
    resolution: 'static',
    meshExternal: false,
    visibility: '*',
    labels: {},
    age: { firstSeen: 0 },
    source,
  }),
);
