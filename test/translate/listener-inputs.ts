// Hand-made views for the tests of listeners, and a short form of listeners to compare with. Only what listeners read
// is filled in.
import type { Endpoint } from '../../src/mesh/endpoint.js';
import type { MeshSettings } from '../../src/mesh/mesh-settings.js';
import type {
  InboundPort,
  ProxyTraits,
  ProxyView,
  ServiceView,
} from '../../src/mesh/proxy-view.js';
import type { DestinationRule, VirtualService } from '../../src/mesh/rules.js';
import type { Protocol, Service } from '../../src/mesh/service.js';

export function settings(over: Partial<MeshSettings> = {}): MeshSettings {
  return {
    outboundTrafficPolicy: 'ALLOW_ANY',
    inboundTrafficPolicy: 'PASSTHROUGH',
    proxyListenPort: 15001,
    proxyInboundListenPort: 15006,
    connectTimeoutMs: 10_000,
    protocolDetectionTimeoutMs: 0,
    dnsRefreshRateMs: 60_000,
    trustDomain: 'cluster.local',
    domainSuffix: 'cluster.local',
    rootNamespace: 'istio-system',
    defaultServiceExportTo: ['*'],
    defaultVirtualServiceExportTo: ['*'],
    defaultDestinationRuleExportTo: ['*'],
    config: {},
    ...over,
  };
}

/** `http:80`, `tcp:9000`: protocol and number. */
export function ports(...specs: string[]): Service['ports'] {
  const protocols: Record<string, Protocol> = {
    http: 'HTTP',
    http2: 'HTTP2',
    grpc: 'GRPC',
    'grpc-web': 'GRPC-Web',
    https: 'HTTPS',
    tls: 'TLS',
    tcp: 'TCP',
    mongo: 'Mongo',
    redis: 'Redis',
    mysql: 'MySQL',
    udp: 'UDP',
    auto: 'Auto',
  };
  return specs.map((spec) => {
    const [protocol = '', number] = spec.split(':');
    return { number: Number(number), name: protocol, protocol: protocols[protocol]! };
  });
}

let seen = 0;

/** A v1 Service in `default`; each call makes a younger one. */
export function service(name: string, over: Partial<Service> = {}): Service {
  const external = over.registry === 'external';
  return {
    hostname: external ? name : `${name}.default.svc.cluster.local`,
    namespace: 'default',
    name,
    registry: 'kubernetes',
    addresses: [],
    headless: false,
    ports: [],
    resolution: 'static',
    meshExternal: external,
    visibility: '*',
    labels: {},
    age: { firstSeen: ++seen },
    source: { kind: external ? 'ServiceEntry' : 'Service', namespace: 'default', name },
    ...over,
  };
}

/** A ServiceEntry host; each call makes a younger one. */
export function serviceEntry(hostname: string, over: Partial<Service> = {}): Service {
  return service(hostname, { registry: 'external', ...over });
}

export function endpoint(address: string, port: number): Endpoint {
  return {
    address,
    port,
    unixSocket: false,
    labels: {},
    locality: { region: '', zone: '', subzone: '' },
    weight: 0,
    healthy: true,
    network: '',
    namespace: 'default',
    serviceAccount: '',
    workloadName: '',
    hostname: '',
  };
}

/** A VirtualService for the mesh; each call makes a younger one. */
export function virtualService(
  name: string,
  hosts: string[],
  rules: Partial<Pick<VirtualService, 'tcp' | 'tls' | 'http'>>,
): VirtualService {
  return {
    source: { kind: 'VirtualService', namespace: 'default', name },
    age: { firstSeen: ++seen },
    hosts: hosts.map((host) => (host.includes('.') ? host : `${host}.default.svc.cluster.local`)),
    gateways: ['mesh'],
    visibility: '*',
    http: [],
    tcp: [],
    tls: [],
    ...rules,
  };
}

export interface ViewParts {
  services?: readonly Service[];
  rules?: Readonly<Record<string, Partial<DestinationRule>>>;
  virtualServices?: readonly VirtualService[];
  endpoints?: ReadonlyMap<Service, readonly Endpoint[]>;
  inbound?: readonly [service: Service, portIndex: number, targetPort: number][];
  ips?: readonly string[];
  proxy?: Partial<ProxyTraits>;
  settings?: MeshSettings;
}

const defaultSettings = settings();

/** A view of a sidecar in `default` with interception by REDIRECT and IPv4. */
export function view(parts: ViewParts): ProxyView {
  const services: ServiceView[] = (parts.services ?? [])
    .map((each) => withRule(each, parts.rules?.[each.name]))
    .sort((a, b) => (a.service.hostname < b.service.hostname ? -1 : 1));
  const inbound: InboundPort[] = (parts.inbound ?? []).map(([owner, index, targetPort]) => ({
    service: owner,
    port: owner.ports[index]!,
    targetPort,
  }));
  const endpoints = new Map(
    [...(parts.endpoints ?? [])].map(([owner, list]) => [
      owner,
      { byPort: new Map(owner.ports.map((port) => [port.number, list])) },
    ]),
  );
  return {
    key: 'test',
    proxy: {
      type: 'sidecar',
      namespace: 'default',
      labels: {},
      interceptionMode: 'REDIRECT',
      dnsDomain: 'default.svc.cluster.local',
      ipv4: true,
      ipv6: false,
      envoyVersion: '1.40.0',
      ...parts.proxy,
    },
    settings: parts.settings ?? defaultSettings,
    outbound: { services, virtualServices: parts.virtualServices ?? [], endpoints },
    inbound: { ports: inbound, ips: parts.ips ?? ['10.9.9.9'] },
  };
}

function withRule(owner: Service, rule: Partial<DestinationRule> | undefined): ServiceView {
  if (rule === undefined) return { service: owner };
  const host = owner.hostname;
  return { service: owner, destinationRule: { sources: [], host, subsets: [], ...rule } };
}
