// The mesh index as data: everything users wrote, resolved against each other. Building it is build-mesh.ts, what one
// proxy sees of it view.ts, what is wrong with it analyze.ts.
import type { Problem } from '../kinds/problem.js';
import type { Resource } from '../kinds/resource.js';
import type { DestinationRules } from './destination-rule.js';
import type { ServiceEndpoints } from './endpoint.js';
import type { EndpointSources, NamespaceEndpoints } from './endpoints.js';
import type { EnvoyFilters } from './envoy-filter.js';
import type { Gateway } from './gateway.js';
import type { GatewayApi } from './gateway-api/gateway-api.js';
import type { MeshSettings } from './mesh-settings.js';
import type { GatewayScope } from './proxy-view.js';
import type { Registry } from './registry.js';
import type { VirtualService } from './rules.js';
import type { ScopeCache, Scopes } from './scope-cache.js';
import type { Service } from './service.js';
import type { Sidecars } from './sidecar.js';
import type { WasmPlugins } from './wasm-plugin.js';

/** The accepted resources; the store's Generation is one. */
export interface MeshInput {
  byKind(kind: string): readonly Resource[];
}

/** One accepted state of the mesh. Immutable; parts that did not change are the same objects as in the one before. */
export interface Mesh {
  settings: MeshSettings;
  /** All services in Istio's order of precedence: oldest first. */
  services: readonly Service[];
  /** Services by hostname, oldest first, v1 Services before ServiceEntries. */
  servicesByHostname: ReadonlyMap<string, readonly Service[]>;
  /** With routes of delegates in their place, and those that routes of the Gateway API stand for; oldest first. */
  virtualServices: readonly VirtualService[];
  /** The same as users wrote them, delegates included: for findings that point into files. */
  writtenVirtualServices: readonly VirtualService[];
  destinationRules: DestinationRules;
  sidecars: Sidecars;
  envoyFilters: EnvoyFilters;
  wasmPlugins: WasmPlugins;
  /** Those of Istio's API and of Kubernetes' Gateway API; oldest first. */
  gateways: readonly Gateway[];
  /** What of the mesh comes from the Gateway API, and what was found about its resources. */
  gatewayApi: GatewayApi;
  endpoints: ReadonlyMap<Service, ServiceEndpoints>;
  /** What could not be converted. Findings about what was are analyzeMesh's. */
  problems: readonly Problem[];
  /** What the next generation takes over, and what views look up; not for others. */
  parts: MeshParts;
}

/** The inner parts of a mesh. */
export interface MeshParts {
  sorted: Readonly<Record<MeshKind, SortedKind>>;
  registryResources: readonly Resource[];
  registry: Registry;
  /** DestinationRules, and those that BackendTLSPolicies stand for. */
  rules: readonly Resource[];
  rulesByNamespace: ReadonlyMap<string, readonly Resource[]>;
  sourcesByNamespace: SourcesByNamespace;
  endpointsByNamespace: ReadonlyMap<string, NamespaceEndpoints>;
  /** Views' outbound scopes: filled on demand, keyed by what they are made of. */
  scopes: ScopeCache;
  /** What routers serve, likewise. */
  gatewayScopes: Scopes<GatewayScope>;
  secretsByNamespace: ReadonlyMap<string, readonly Resource[]>;
}

/** The resources of one kind as given, and oldest first. */
export interface SortedKind {
  given: readonly Resource[];
  sorted: readonly Resource[];
}

/** What names addresses, by namespace. */
export type SourcesByNamespace = Readonly<
  Record<keyof EndpointSources, ReadonlyMap<string, readonly Resource[]>>
>;

/** The kinds that the index is made of. */
export type MeshKind =
  | 'Service'
  | 'ServiceEntry'
  | 'EndpointSlice'
  | 'Endpoints'
  | 'WorkloadEntry'
  | 'WorkloadGroup'
  | 'VirtualService'
  | 'DestinationRule'
  | 'Sidecar'
  | 'EnvoyFilter'
  | 'WasmPlugin'
  | 'Gateway'
  | 'Gateway.gateway.networking.k8s.io'
  | 'GatewayClass'
  | 'HTTPRoute'
  | 'GRPCRoute'
  | 'TLSRoute'
  | 'TCPRoute'
  | 'ReferenceGrant'
  | 'BackendTLSPolicy'
  | 'Namespace'
  | 'ConfigMap'
  | 'Secret'
  | 'MeshConfig';
