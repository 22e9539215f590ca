// What one proxy may see of a mesh: the entire input of translation (DESIGN.md, invariant 2). Parts are shared between
// proxies and between generations while they are equal.
import type { Resource } from '../kinds/resource.js';
import { memoize, sameOr } from '../lib/memo.js';
import { differingKeys } from '../lib/patched-map.js';
import { amendable } from '../lib/replaced.js';
import { selectingRules } from './destination-rule.js';
import type { Endpoint } from './endpoint.js';
import { patchesOf } from './envoy-filter.js';
import type { EnvoyFilterPatch } from './envoy-patch.js';
import { grantedSecrets } from './gateway-api/granted-secrets.js';
import { gatewayScope } from './gateway-scope.js';
import { inboundPorts } from './inbound.js';
import type { Mesh } from './mesh.js';
import type { MeshSettings } from './mesh-settings.js';
import { nodeSettingsOf, withNodeSettings } from './node-settings.js';
import { compareText } from './order.js';
import { asWorkload } from './own-workload.js';
import { askedPlace, placeOf } from './place.js';
import type { Proxy as ConnectedProxy } from './proxy.js';
import type {
  GatewayScope,
  InboundPort,
  InboundScope,
  MeshCertificate,
  ProxyTraits,
  ProxyView,
} from './proxy-view.js';
import { routerSettings } from './router-settings.js';
import type { VirtualService } from './rules.js';
import { type KeyedScope, outboundScope, untouchedScope } from './scope.js';
import { type Secrets, secretsOf, withGranted } from './secret.js';
import { type Sidecar, sidecarOf } from './sidecar.js';
import { ingressPorts, withServices } from './sidecar-ingress.js';
import { settingsOfSidecar } from './sidecar-settings.js';

/** A view that was made, and what of the mesh it was made of. */
interface Made {
  view: ProxyView;
  scope: KeyedScope;
  /** Undefined for routers, which see more of the mesh. */
  from: ViewSources | undefined;
}

/** The parts of a mesh that views of sidecars are made of, besides their scopes: one object for all of them. */
interface ViewSources {
  shared: object;
  endpoints: Mesh['parts']['endpointsByNamespace'];
  workloads: Mesh['parts']['sourcesByNamespace']['workloads'];
  secrets: Mesh['parts']['secretsByNamespace'];
}

/** The last view of each connected proxy: only a source of equal objects, never an input. */
const lastViews = new WeakMap<ConnectedProxy, Made>();

/**
 * The view of a proxy. Two calls with equal results give the same object for the same Proxy object, and the same
 * outbound scope for all proxies whose namespaces see the same. Equal keys mean equal views within one mesh.
 */
export function viewOf(mesh: Mesh, connected: ConnectedProxy): ProxyView {
  const made = lastViews.get(connected);
  if (made !== undefined && isUntouched(mesh, connected, made)) return made.view;
  const last = made?.view;
  const proxy = asWorkload(mesh, connected);
  const sidecar = sidecarOf(mesh.sidecars, proxy);
  const scope = outboundScope(mesh, proxy, sidecar);
  const outbound = scope.cached.scope;
  const said = nodeSettingsOf(connected);
  const settings = settingsOf(withNodeSettings(mesh.settings, said), proxy, sidecar);
  const served = proxy.type === 'router' ? gatewayScope(mesh, proxy) : undefined;
  const asked = allAsked(outbound.virtualServices, served?.scope.virtualServices);
  const traits = traitsOf(proxy, asked, askedPlace(outbound.services, mesh.settings));
  const inbound = inboundScope(mesh, proxy, { sidecar, last: last?.inbound });
  const envoyFilters = patchesOf(mesh.envoyFilters, mesh.wasmPlugins, proxy);
  const secrets = secretsFor(mesh, proxy, served?.scope);
  const isSame =
    last !== undefined &&
    last.outbound === outbound &&
    last.inbound === inbound &&
    last.proxy === traits &&
    last.settings === settings &&
    last.gateway === served?.scope &&
    last.secrets === secrets &&
    last.envoyFilters === envoyFilters;
  const view = isSame
    ? last
    : {
        key:
          viewKey(scope.key, traits, { inbound, envoyFilters }) + routerKey(proxy, served) + said,
        proxy: traits,
        settings,
        outbound,
        inbound,
        ...(served && { gateway: served.scope }),
        ...(secrets && { secrets }),
        ...(envoyFilters && { envoyFilters }),
      };
  const from = proxy.type === 'router' ? undefined : viewSources(mesh);
  lastViews.set(connected, { view, scope, from });
  return view;
}

/**
 * Whether a look at what changed tells that the view is the same in this mesh: an edit of endpoints in one namespace is
 * asked about for each of a thousand sidecars that do not see it.
 */
function isUntouched(mesh: Mesh, connected: ConnectedProxy, made: Made): boolean {
  const { from } = made;
  const now = viewSources(mesh);
  if (from?.shared !== now.shared) return false;
  if (changedNamespaces(from, now).has(connected.namespace)) return false;
  const scope = untouchedScope(mesh, connected.namespace, made.scope);
  if (scope === undefined) return false;
  made.scope = scope;
  made.from = now;
  return true;
}

const viewSources = memoize(
  ({ settings, sidecars, envoyFilters, wasmPlugins, parts }: Mesh): ViewSources => ({
    shared: findShared(settings, sidecars, envoyFilters, wasmPlugins),
    endpoints: parts.endpointsByNamespace,
    workloads: parts.sourcesByNamespace.workloads,
    secrets: parts.secretsByNamespace,
  }),
);

/** The namespaces that have something else in the second; asked for each proxy. */
const changedNamespaces = memoize(
  (before: ViewSources, after: ViewSources): ReadonlySet<string> =>
    new Set([
      ...differingKeys(before.endpoints, after.endpoints),
      ...differingKeys(before.workloads, after.workloads),
      ...differingKeys(before.secrets, after.secrets),
    ]),
);

/** One object for meshes with equal parts. */
const findShared = memoize(
  (
    _settings: Mesh['settings'],
    _sidecars: Mesh['sidecars'],
    _envoyFilters: Mesh['envoyFilters'],
    _wasmPlugins: Mesh['wasmPlugins'],
  ): object => ({}),
);

function settingsOf(settings: MeshSettings, proxy: ConnectedProxy, sidecar: Sidecar | undefined) {
  if (proxy.type === 'router') return routerSettings(settings, proxy);
  return sidecar ? settingsOfSidecar(settings, sidecar) : settings;
}

/**
 * Routers use the Secrets of their own namespace. A sidecar does where a DestinationRule selects it by labels: without
 * that, a credentialName is for gateways (Istio API, ClientTLSSettings.credentialName).
 */
function secretsFor(
  mesh: Mesh,
  proxy: ConnectedProxy,
  served: GatewayScope | undefined,
): Secrets | undefined {
  const isSelected = () => selectingRules(mesh.destinationRules, proxy).length > 0;
  if (proxy.type !== 'router' && !isSelected()) return undefined;
  const resources = mesh.parts.secretsByNamespace.get(proxy.namespace);
  const granted =
    served === undefined ? [] : grantedSecrets(mesh.gatewayApi.input, served.gateways);
  if (granted.length === 0) return resources && secretsOf(resources);
  const names = granted.map(({ name }) => name).join('\n');
  return withGranted(resources ?? noResources, names, ...granted.map(({ resource }) => resource));
}

const noResources: readonly Resource[] = [];

/** What tells the view of a router from others besides. */
function routerKey(proxy: ConnectedProxy, served: { key: string } | undefined): string {
  return served === undefined ? '' : JSON.stringify([served.key, proxy.metadata?.['PROXY_CONFIG']]);
}

function allAsked(
  called: readonly VirtualService[],
  served: readonly VirtualService[] | undefined,
): string {
  const asked = askedLabels(called);
  return served === undefined ? asked : `${asked}\n${askedLabels(served)}`;
}

/** Label keys that sourceLabels of any match ask about, sorted, joined by newlines. */
const askedLabels = amendable(
  (virtualServices: readonly VirtualService[]): string => {
    const keys = new Set(virtualServices.flatMap(labelsAskedBy));
    return [...keys].sort(compareText).join('\n');
  },
  ({ result, changes }) => {
    const asksNothing = (rule: VirtualService) => labelsAskedBy(rule).length === 0;
    const same = changes.every(({ before, after }) => asksNothing(before) && asksNothing(after));
    return same ? result : undefined;
  },
);

function labelsAskedBy({ http, tcp, tls }: VirtualService): string[] {
  const keys: string[] = [];
  for (const rules of [http, tcp, tls]) {
    for (const { match = [] } of rules) {
      for (const { sourceLabels = {} } of match) keys.push(...Object.keys(sourceLabels));
    }
  }
  return keys;
}

const traitsOf = memoize((proxy: ConnectedProxy, asked: string, place?: string): ProxyTraits => {
  const known = asked.split('\n').filter((key) => Object.hasOwn(proxy.labels, key));
  return {
    type: proxy.type,
    ...(proxy.generator === 'grpc' && { generator: 'grpc' }),
    namespace: proxy.namespace,
    labels: Object.fromEntries(known.map((key) => [key, proxy.labels[key] ?? ''])),
    interceptionMode: proxy.interceptionMode,
    dnsDomain: proxy.dnsDomain,
    ...(proxy.virtualHostDiscovery && { virtualHostDiscovery: true }),
    ...(proxy.dnsCapture && { dnsCapture: true }),
    // A proxy that does not say its addresses is taken for an IPv4 one.
    ipv4: proxy.ips.length === 0 || proxy.ips.some((ip) => !ip.includes(':')),
    ipv6: proxy.ips.some((ip) => ip.includes(':')),
    ...(place !== undefined && { place: placeOf(proxy, place) }),
    envoyVersion: proxy.envoyVersion,
    ...meshCertificateOf(proxy),
  };
});

/** What Istio's agent says of certificates that are files: TLS_SERVER_CERT_CHAIN, _KEY and _ROOT_CERT of the metadata. */
function meshCertificateOf({ type, metadata = {} }: ConnectedProxy): {
  meshCertificate?: MeshCertificate;
} {
  const chain = metadata['TLS_SERVER_CERT_CHAIN'];
  const key = metadata['TLS_SERVER_KEY'];
  const root = metadata['TLS_SERVER_ROOT_CERT'];
  if (type !== 'router' || !chain || !key || !root) return {};
  return { meshCertificate: { chain, key, root } };
}

function inboundScope(
  mesh: Mesh,
  proxy: ConnectedProxy,
  { sidecar, last }: { sidecar: Sidecar | undefined; last: InboundScope | undefined },
): InboundScope {
  if (proxy.type === 'router') return last ?? { ports: [], ips: proxy.ips };
  const own = sidecar && ingressPorts(sidecar);
  const served = inboundPorts(mesh, proxy);
  const ports = sameOr(last?.ports, own ? withServices(own, served) : served);
  const peers = proxy.localCluster ? peersOf(mesh, served) : undefined;
  const pool = own === undefined ? sidecar?.inboundConnectionPool : undefined;
  const same =
    last !== undefined &&
    last.ports === ports &&
    last.connectionPool === pool &&
    last.peers === peers;
  if (same) return last;
  return {
    ports,
    ips: proxy.ips,
    ...(pool && { connectionPool: pool }),
    ...(peers && { peers }),
  };
}

const nobody: readonly Endpoint[] = [];

function peersOf(mesh: Mesh, [first]: readonly InboundPort[]): readonly Endpoint[] {
  if (first === undefined) return nobody;
  return mesh.endpoints.get(first.service)?.byPort.get(first.port.number) ?? nobody;
}

function viewKey(
  scopeKey: string,
  traits: ProxyTraits,
  { inbound, envoyFilters = [] }: Pick<ProxyView, 'inbound' | 'envoyFilters'>,
): string {
  const ports = inbound.ports.map(portKey);
  const patches = envoyFilters.map(patchKey);
  const peers = inbound.peers && ['peers'];
  return JSON.stringify([scopeKey, traits, inbound.ips, ports, ...(peers ?? []), ...patches]);
}

function patchKey({ source: { kind, namespace, name }, index }: EnvoyFilterPatch): string {
  return `${kind}/${namespace}/${name}#${index}`;
}

function portKey({ service, port, targetPort, selectedBy }: InboundPort): string {
  const by = selectedBy === undefined ? '' : `:${selectedBy.hostname}`;
  return `${service.namespace}/${service.hostname}:${port.number}:${targetPort}${by}`;
}
