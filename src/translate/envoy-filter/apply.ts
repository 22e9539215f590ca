// The EnvoyFilters of a view, applied to what was translated. Layer by layer, so that proxies with the same filters
// share what they shared without; a resource that no patch is for stays the object that it is.
import {
  CLUSTER,
  type EnvoyMessage,
  EXTENSION_CONFIG,
  LISTENER,
  type ResourceName,
  type ResourcesByType,
  ROUTE,
  type TypeUrl,
  typeShortName,
} from '../../envoy/resource.js';
import { layered, layersOf } from '../../lib/layered-map.js';
import { memoize } from '../../lib/memo.js';
import type { ApplyTo, EnvoyFilterPatch, PatchContext } from '../../mesh/envoy-patch.js';
import type { ProxyView } from '../../mesh/proxy-view.js';
import type { Problem } from '../../mesh/rules.js';
import { gatewayPlan } from '../gateway-plan.js';
import {
  DNS_LISTENER,
  DNS_LISTENER_IPV6,
  INBOUND_PASSTHROUGH_CLUSTER,
  parseClusterName,
} from '../names.js';
import { inContext, isAdd, valueOf } from './patch.js';
import { type PatchedResource, patchResource } from './patch-resource.js';

type ByName = ReadonlyMap<ResourceName, EnvoyMessage>;
type Patches = readonly EnvoyFilterPatch[];

/** What became of a view's patches. */
export interface PatchReport {
  /** Those that changed something. */
  matched: ReadonlySet<EnvoyFilterPatch>;
  /** Those that changed the named resource, in the order of application. */
  on(typeUrl: TypeUrl, name: ResourceName): readonly EnvoyFilterPatch[];
}

/** The resources with the patches applied, and a report. */
export interface Patched {
  resources: ResourcesByType;
  problems: readonly Problem[];
  report: PatchReport;
}

const routeClass: readonly ApplyTo[] = ['ROUTE_CONFIGURATION', 'VIRTUAL_HOST', 'HTTP_ROUTE'];
const listenerClass: readonly ApplyTo[] = [
  'LISTENER',
  'FILTER_CHAIN',
  'LISTENER_FILTER',
  'NETWORK_FILTER',
  'HTTP_FILTER',
  // Inbound listeners carry their routes.
  ...routeClass,
];
const classes: readonly (readonly [TypeUrl, readonly ApplyTo[]])[] = [
  [CLUSTER, ['CLUSTER']],
  [LISTENER, listenerClass],
  [ROUTE, routeClass],
];

/** Applies the patches of the view to resources that were made of the same view without them. */
export function applyEnvoyFilters(resources: ResourcesByType, view: ProxyView): Patched {
  const patches = view.envoyFilters ?? [];
  const next = new Map(resources);
  const layers: PatchedLayer[] = [];
  for (const [typeUrl, applyTo] of classes) {
    const before = resources.get(typeUrl);
    if (before === undefined || before.size === 0) continue;
    const made = patchType(before, ofClass(patches, applyTo.join()), { typeUrl, view });
    layers.push(...made);
    if (made.every(({ touched }) => touched.size === 0)) continue;
    next.set(typeUrl, joined(...made.map(({ messages }) => messages)));
  }
  const added = new Map<TypeUrl, Added>();
  const problems = [...problemsOf(layers)];
  for (const [typeUrl, applyTo] of addable) {
    const result = add(next, ofClass(patches, applyTo), { typeUrl, router: isRouter(view) });
    added.set(typeUrl, result);
    problems.push(...result.problems);
  }
  return { resources: next, problems, report: reportOf(layers, added) };
}

const addable: readonly (readonly [TypeUrl, ApplyTo])[] = [
  [CLUSTER, 'CLUSTER'],
  [LISTENER, 'LISTENER'],
  [EXTENSION_CONFIG, 'EXTENSION_CONFIG'],
];

const joined = memoize((...layers: readonly ByName[]): ByName => layered(layers));

/** The same array for the same patches; `applyTo` names sorts of things, separated by commas. */
const ofClass = memoize((patches: Patches, applyTo: string): Patches => {
  const sorts = new Set(applyTo.split(','));
  return patches.filter((patch) => sorts.has(patch.applyTo));
});

interface PatchedLayer {
  typeUrl: TypeUrl;
  messages: ByName;
  /** Those that patches are for. */
  touched: ReadonlyMap<ResourceName, PatchedResource>;
}

function patchType(
  before: ByName,
  patches: Patches,
  { typeUrl, view }: { typeUrl: TypeUrl; view: ProxyView },
): PatchedLayer[] {
  const router = isRouter(view);
  return layersOf(before).map((layer) => {
    const hosts = typeUrl === CLUSTER && hasInbound(layer) ? inboundHosts(view) : '';
    const ports = typeUrl === ROUTE && router ? serverPorts(view) : '';
    return patchLayer(layer, patches, typeUrl, router, hosts || ports);
  });
}

const patchLayer = memoize(
  (
    layer: ByName,
    patches: Patches,
    typeUrl: TypeUrl,
    router: boolean,
    facts: string,
  ): PatchedLayer => {
    const touched = new Map<ResourceName, PatchedResource>();
    if (patches.length === 0) return { typeUrl, messages: layer, touched };
    const messages = new Map<ResourceName, EnvoyMessage>();
    const factsOf = parseFacts(facts);
    for (const [name, message] of layer) {
      if (typeUrl === LISTENER && isDnsListener(name)) {
        messages.set(name, message);
        continue;
      }
      const context = router ? 'GATEWAY' : contextOf(typeUrl, message);
      const patched = patchResource(message, patches, typeUrl, context, factsOf.get(name) ?? '');
      if (patched.applied.length + patched.refused.length > 0) touched.set(name, patched);
      const { message: next } = patched;
      if (next !== undefined) messages.set((next as { name?: string }).name ?? name, next);
    }
    return { typeUrl, messages: touched.size === 0 ? layer : messages, touched };
  },
);

/** In Istio the agent answers DNS, so a patch of all listeners does not mean these, which speak UDP. */
function isDnsListener(name: ResourceName): boolean {
  return name === DNS_LISTENER || name === DNS_LISTENER_IPV6;
}

function contextOf(typeUrl: TypeUrl, message: EnvoyMessage): PatchContext {
  const { name = '', traffic_direction: direction } = message as {
    name?: string;
    traffic_direction?: string;
  };
  const isInbound =
    typeUrl === CLUSTER ? isInboundCluster(name) : typeUrl === LISTENER && direction === 'INBOUND';
  return isInbound ? 'SIDECAR_INBOUND' : 'SIDECAR_OUTBOUND';
}

function isInboundCluster(name: ResourceName): boolean {
  return name === INBOUND_PASSTHROUGH_CLUSTER || parseClusterName(name)?.direction === 'inbound';
}

function isRouter({ proxy }: ProxyView): boolean {
  return proxy.type === 'router';
}

const hasInbound = memoize((layer: ByName): boolean => [...layer.keys()].some(isInboundCluster));

/** `inbound|8080||=a.default.svc.cluster.local,b...` by lines: which services a port of the workload has. */
function inboundHosts({ inbound }: ProxyView): string {
  const hosts = new Map<number, Set<string>>();
  for (const { service, targetPort } of inbound.ports) {
    const known = hosts.get(targetPort) ?? new Set();
    hosts.set(targetPort, known.add(service.hostname));
  }
  return [...hosts].map(([port, names]) => `inbound|${port}||=${[...names].join()}`).join('\n');
}

/** `http.8080=80,81` by lines: the ports of the servers that share a route configuration. */
function serverPorts(view: ProxyView): string {
  const routes = gatewayPlan(view).routes.map(({ name, servers }) => {
    const ports = new Set(servers.map(({ server }) => server.port.number));
    return `${name}=${[...ports].join()}`;
  });
  return routes.join('\n');
}

function parseFacts(text: string): ReadonlyMap<ResourceName, string> {
  const lines = text === '' ? [] : text.split('\n');
  return new Map(lines.map((line) => line.split('=') as [string, string]));
}

interface Added {
  patches: Patches;
  refused: Patches;
  problems: readonly Problem[];
}

/** Adds what patches bring along. A name that is taken stays what it is. */
function add(
  next: Map<TypeUrl, ByName>,
  patches: Patches,
  { typeUrl, router }: { typeUrl: TypeUrl; router: boolean },
): Added {
  const before = next.get(typeUrl) ?? new Map();
  const refused: EnvoyFilterPatch[] = [];
  const problems: Problem[] = [];
  const added = new Map<ResourceName, EnvoyFilterPatch>();
  for (const patch of patches) {
    if (!isAdd(patch) || !contexts(router).some((context) => inContext(patch, context))) continue;
    const { name = '' } = valueOf<{ name?: string }>(patch);
    if (name === '' || before.has(name) || added.has(name)) {
      refused.push(patch);
      problems.push(
        refusal(
          patch,
          [name],
          `there is a ${typeShortName[typeUrl]} resource of that name already`,
        ),
      );
    } else added.set(name, patch);
  }
  if (added.size > 0) next.set(typeUrl, joined(...layersOf(before), additions(...added.values())));
  return { patches: [...added.values()], refused, problems };
}

function contexts(router: boolean): readonly PatchContext[] {
  return router ? ['GATEWAY'] : ['SIDECAR_OUTBOUND', 'SIDECAR_INBOUND'];
}

const additions = memoize((...patches: Patches): ByName => {
  const values = patches.map((patch) => valueOf<{ name?: string }>(patch));
  return new Map(values.map((value) => [value.name ?? '', value]));
});

/** A problem a patch, however many resources it would spoil. */
function problemsOf(layers: readonly PatchedLayer[]): Problem[] {
  const found = new Map<EnvoyFilterPatch, { why: string; names: ResourceName[] }>();
  for (const { touched } of layers) {
    for (const [name, { refused }] of touched) {
      for (const { patch, why } of refused) {
        const known = found.get(patch) ?? { why, names: [] };
        known.names.push(name);
        found.set(patch, known);
      }
    }
  }
  return [...found].map(([patch, { why, names }]) => refusal(patch, names, why));
}

function refusal(patch: EnvoyFilterPatch, names: readonly ResourceName[], why: string): Problem {
  const others = names.length > 1 ? ` and ${names.length - 1} more` : '';
  return {
    code: 'patch-refused',
    severity: 'error',
    message: `it is left out of ${names[0]}${others}: ${why}`,
    resource: patch.source,
    path: patch.path,
  };
}

function reportOf(
  layers: readonly PatchedLayer[],
  added: ReadonlyMap<TypeUrl, Added>,
): PatchReport {
  const all = [...added.values()].flatMap(({ patches, refused }) => [...patches, ...refused]);
  const matched = new Set<EnvoyFilterPatch>(all);
  for (const { touched } of layers) {
    for (const { applied, refused } of touched.values()) {
      for (const patch of applied) matched.add(patch);
      for (const { patch } of refused) matched.add(patch);
    }
  }
  return {
    matched,
    on: (typeUrl, name) => [
      ...layers
        .filter((layer) => layer.typeUrl === typeUrl)
        .flatMap(({ touched }) => touched.get(name)?.applied ?? []),
      ...(added.get(typeUrl)?.patches ?? []).filter(
        (patch) => valueOf<{ name?: string }>(patch).name === name,
      ),
    ],
  };
}
