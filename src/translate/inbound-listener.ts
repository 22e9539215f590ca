// Inbound listeners: virtualInbound with a set of chains for each port that a service selects, or one bound listener a
// port without interception. Chains of later issues (mTLS by PeerAuthentication) are further rows of chainsByProtocol.
import type { FilterChain } from '../envoy/gen/types/envoy/config/listener/v3/FilterChain.js';
import type { Listener } from '../envoy/gen/types/envoy/config/listener/v3/Listener.js';
import type { Secret } from '../envoy/gen/types/envoy/extensions/transport_sockets/tls/v3/Secret.js';
import { isLoopback } from '../lib/ip.js';
import { memoize } from '../lib/memo.js';
import type { ServerTls } from '../mesh/gateway.js';
import type { MeshSettings } from '../mesh/mesh-settings.js';
import type { InterceptionMode } from '../mesh/proxy.js';
import type { InboundPort, ProxyView } from '../mesh/proxy-view.js';
import { listenerAccessLog } from './access-log.js';
import { toDuration } from './duration.js';
import { filterChain, filterChainMatch } from './filter-chain.js';
import { inboundHttpFilter } from './http-connection-manager.js';
import { boundTarget } from './inbound-cluster.js';
import { boundAddress, inboundPlan, isBound } from './inbound-plan.js';
import { inboundRouteConfiguration } from './inbound-route.js';
import {
  acceptOneByOne,
  balance,
  isOutOfReach,
  listenerAddresses,
  wildcards,
} from './listener-address.js';
import { inspectorsFor, ORIGINAL_DST, originalSource } from './listener-filters.js';
import { isGrpc, isHttp2, type ListenerProtocol, listenerProtocol } from './listener-protocol.js';
import {
  BLACK_HOLE_CLUSTER,
  INBOUND_PASSTHROUGH_CLUSTER,
  inboundClusterName,
  listenerName,
  VIRTUAL_INBOUND_BLACKHOLE_CHAIN,
  VIRTUAL_INBOUND_CATCHALL_HTTP_CHAIN,
  VIRTUAL_INBOUND_CHAIN,
  VIRTUAL_INBOUND_LISTENER,
} from './names.js';
import { fileCredentials } from './server-credentials.js';
import { secretsFor } from './server-secrets.js';
import { type ServerTlsPlan, serverTlsSocket } from './server-tls.js';
import { singleCluster, tcpProxyFilter } from './tcp-proxy.js';

/** The inbound listeners of a view, in order of port. The same objects for the same ports and settings. */
export function inboundListeners(view: ProxyView): readonly Listener[] {
  const { ports } = inboundPlan(view);
  const { interceptionMode: mode, ipv4, ipv6 } = view.proxy;
  const { captured, bound } = split(ports, mode);
  const listeners = bound.flatMap((port) => {
    const address = boundAddress(port, view.inbound.ips);
    if (address === undefined || isOutOfReach(port.targetPort, view.settings)) return [];
    if (callsItself(view, port, address)) return [];
    return [boundInbound(port, view.settings, address)];
  });
  if (mode === 'NONE') return listeners;
  return [virtualInbound(captured, view.settings, mode === 'TPROXY', ipv4, ipv6), ...listeners];
}

/**
 * Ports with a part in virtualInbound, and those with listeners of their own. Istio makes none without interception
 * unless a Sidecar says so, because they could meet the application at its port. They cannot: ours stand at the
 * workload's address, and the application is called at 127.0.0.1.
 */
const split = memoize((ports: readonly InboundPort[], mode: InterceptionMode) => ({
  captured: ports.filter((port) => !isBound(port, mode)),
  bound: ports.filter((port) => isBound(port, mode)),
}));

/** A listener that a Sidecar puts where the application is called would take its own connections, for ever. */
function callsItself(view: ProxyView, port: InboundPort, address: string): boolean {
  const called = boundTarget(port, view);
  const everywhere = address === '0.0.0.0' || address === '::';
  return called?.port === port.targetPort && (everywhere || called.address === address);
}

/** The secrets that the TLS of inbound ports names. */
export function inboundSecrets(view: ProxyView): readonly Secret[] {
  const { ports } = inboundPlan(view);
  return ports.flatMap(({ listener }) =>
    listener?.tls ? secretsFor(fileCredentials(listener.tls), undefined, view.settings) : [],
  );
}

const virtualInbound = memoize(
  (
    ports: readonly InboundPort[],
    settings: MeshSettings,
    transparent: boolean,
    ipv4: boolean,
    ipv6: boolean,
  ): Listener => {
    const addresses = wildcards({ ipv4, ipv6 });
    const chains = [
      loopGuard(settings),
      ...portChains(unknownPort, settings),
      ...ports.flatMap((port) => portChains(declaredPort(port, addresses[0]!), settings)),
    ];
    return {
      name: VIRTUAL_INBOUND_LISTENER,
      ...listenerAddresses(addresses, settings.proxyInboundListenPort),
      ...inboundSettings(settings),
      ...(transparent ? { transparent: { value: true } } : {}),
      filter_chains: chains,
      listener_filters: [
        ORIGINAL_DST,
        ...(transparent ? [originalSource(loopbackPorts(ports, settings))] : []),
        ...inspectorsFor(chains),
      ],
    };
  },
);

/** Linux lets nobody answer a foreign address from 127.0.0.1, and a Unix socket knows no addresses. */
function loopbackPorts(ports: readonly InboundPort[], settings: MeshSettings): readonly number[] {
  return ports
    .filter(({ endpoint }) => {
      if (endpoint === undefined) return settings.inboundTrafficPolicy === 'LOCALHOST';
      return 'unixSocket' in endpoint || isLoopback(endpoint.address);
    })
    .map(({ targetPort }) => targetPort);
}

const boundInbound = memoize(
  (port: InboundPort, settings: MeshSettings, address: string): Listener => {
    const chains = portChains(declaredPort(port, address), settings);
    const inspectors = inspectorsFor(chains);
    return {
      name: listenerName(address, port.targetPort),
      ...listenerAddresses([address], port.targetPort),
      ...inboundSettings(settings),
      filter_chains: chains,
      ...(inspectors.length === 0 ? {} : { listener_filters: inspectors }),
    };
  },
);

function inboundSettings(settings: MeshSettings): Listener {
  return {
    traffic_direction: 'INBOUND',
    listener_filters_timeout: toDuration(settings.protocolDetectionTimeoutMs),
    continue_on_listener_filters_timeout: true,
    ...acceptOneByOne,
    ...balance(settings.node?.balancedInbound),
    access_log: listenerAccessLog(settings),
  };
}

/** A connection straight to this port would be passed on to this port, and so on for ever. */
function loopGuard(settings: MeshSettings): FilterChain {
  return filterChain({
    name: VIRTUAL_INBOUND_BLACKHOLE_CHAIN,
    match: { destination_port: { value: settings.proxyInboundListenPort } },
    filters: [tcpProxyFilter(singleCluster(BLACK_HOLE_CLUSTER))],
  });
}

/** What the chains of one port are made of. */
interface ChainSet {
  httpName: string;
  tcpName: string;
  httpStatPrefix: string;
  /** Absent for the chains that take every other port. */
  destinationPort?: number;
  cluster: string;
  host: string;
  servicePort: number;
  protocol: InboundPort['port']['protocol'];
  /** TLS that ends here; only plain text otherwise. */
  tls?: ServerTls | undefined;
}

const unknownPort: ChainSet = {
  httpName: VIRTUAL_INBOUND_CATCHALL_HTTP_CHAIN,
  tcpName: VIRTUAL_INBOUND_CHAIN,
  httpStatPrefix: INBOUND_PASSTHROUGH_CLUSTER,
  cluster: INBOUND_PASSTHROUGH_CLUSTER,
  host: '',
  servicePort: 0,
  protocol: 'Auto',
};

function declaredPort(inbound: InboundPort, address: string): ChainSet {
  const { service, port, targetPort, listener } = inbound;
  // Where a Sidecar says a place, that is also the name of what is captured.
  const name = listenerName(listener?.bind ?? address, targetPort);
  return {
    httpName: name,
    tcpName: name,
    httpStatPrefix: `inbound_${name}`,
    destinationPort: targetPort,
    cluster: inboundClusterName(targetPort),
    host: service.hostname,
    servicePort: port.number,
    protocol: port.protocol,
    tls: listener?.tls,
  };
}

/** The chains that a port has for plain text (Istio's PeerAuthentication mode DISABLE), by declared protocol. */
const chainsByProtocol: Readonly<
  Record<ListenerProtocol, readonly { http: boolean; sniffed: boolean }[]>
> = {
  http: [{ http: true, sniffed: false }],
  tcp: [{ http: false, sniffed: false }],
  auto: [
    { http: true, sniffed: true },
    { http: false, sniffed: false },
  ],
  none: [],
};

function portChains(set: ChainSet, settings: MeshSettings): FilterChain[] {
  return chainsByProtocol[listenerProtocol(set.protocol)].map(({ http, sniffed }) =>
    filterChain({
      name: http ? set.httpName : set.tcpName,
      match: filterChainMatch({
        ...(set.destinationPort === undefined ? {} : { destinationPort: set.destinationPort }),
        ...(set.tls ? { tls: true } : { plainText: true, sniffedHttp: sniffed }),
      }),
      ...(set.tls && { transportSocket: serverTlsSocket(sidecarTls(set.tls), settings) }),
      filters: [http ? httpFilter(set, settings) : tcpFilter(set, settings)],
    }),
  );
}

/** Application protocols are offered on every port, as in Istio. */
function sidecarTls(settings: ServerTls): ServerTlsPlan {
  return { settings, credentials: fileCredentials(settings), alpn: ['h2', 'http/1.1'] };
}

function tcpFilter(set: ChainSet, settings: MeshSettings) {
  return tcpProxyFilter(singleCluster(set.cluster), settings);
}

function httpFilter(set: ChainSet, settings: MeshSettings) {
  return inboundHttpFilter(
    {
      statPrefix: set.httpStatPrefix,
      route: inboundRouteConfiguration({ ...set, grpc: isGrpc(set.protocol), settings }),
      http2: isHttp2(set.protocol),
      grpcWeb: set.protocol === 'GRPC-Web',
    },
    settings,
  );
}
