// The table of kinds: what fairlead reads, what it will read later, and where each keeps its spec. Recognising
// and checking a document is registry.ts.
import type { z } from 'zod';
import { backendTlsPolicyDoc, backendTlsPolicySpec } from './backend-tls-policy.js';
import { destinationRuleDoc, destinationRuleSpec } from './destination-rule.js';
import { checkDestinationRule } from './destination-rule-check.js';
import { endpointSliceDoc, endpointSliceSpec } from './endpoint-slice.js';
import { endpointsDoc, endpointsSpec } from './endpoints.js';
import { envoyFilterDoc, envoyFilterSpec } from './envoy-filter.js';
import { checkEnvoyFilter } from './envoy-filter-check.js';
import type { Check } from './finding.js';
import { gatewayDoc, gatewaySpec } from './gateway.js';
import {
  checkBackendTlsPolicy,
  checkKubernetesGateway,
  checkL4Route,
} from './gateway-api-check.js';
import { checkGrpcRoute, checkHttpRoute } from './gateway-api-route-check.js';
import { checkGateway } from './gateway-check.js';
import { grpcRouteDoc, grpcRouteSpec } from './grpc-route.js';
import { httpRouteDoc, httpRouteSpec } from './http-route.js';
import { checkEndpointSlice, checkEndpoints, checkService } from './kubernetes-check.js';
import {
  gatewayClassDoc,
  gatewayClassSpec,
  kubernetesGatewayDoc,
  kubernetesGatewaySpec,
  listenerSetDoc,
  listenerSetSpec,
} from './kubernetes-gateway.js';
import {
  tcpRouteDoc,
  tcpRouteSpec,
  tlsRouteDoc,
  tlsRouteSpec,
  udpRouteDoc,
  udpRouteSpec,
} from './l4-route.js';
import { meshConfigDoc, meshConfigSpec } from './mesh-config.js';
import { checkMeshConfig } from './mesh-config-check.js';
import { configMapDoc, configMapSpec, namespaceDoc, namespaceSpec } from './namespace.js';
import { checkProxyConfig, proxyConfigDoc, proxyConfigSpec } from './proxy-config.js';
import { referenceGrantDoc, referenceGrantSpec } from './reference-grant.js';
import { secretDoc, secretSpec } from './secret.js';
import { checkSecret } from './secret-check.js';
import { serviceDoc, serviceSpec } from './service.js';
import { serviceEntryDoc, serviceEntrySpec } from './service-entry.js';
import { checkServiceEntry } from './service-entry-check.js';
import { sidecarDoc, sidecarSpec } from './sidecar.js';
import { checkSidecar } from './sidecar-check.js';
import { virtualServiceDoc, virtualServiceSpec } from './virtual-service.js';
import { checkVirtualService } from './virtual-service-check.js';
import { wasmPluginDoc, wasmPluginSpec } from './wasm-plugin.js';
import { checkWasmPlugin } from './wasm-plugin-check.js';
import { workloadEntryDoc, workloadEntrySpec } from './workload-entry.js';
import { checkWorkloadEntry } from './workload-entry-check.js';
import { workloadGroupDoc, workloadGroupSpec } from './workload-group.js';
import { checkWorkloadGroup } from './workload-group-check.js';

/** One kind of resource. */
export interface KindEntry {
  kind: string;
  /** API group; empty for Kubernetes' core group. */
  group: string;
  versions: readonly string[];
  scope: 'namespaced' | 'mesh';
  /** Absent: a kind that fairlead knows by name only. */
  schema?: z.ZodType;
  /** Rules beyond the schema; called with a spec that has passed it. */
  check?: Check<unknown>;
  /** `spec`: the field of that name. `top-level`: the fields of the schema stand beside `metadata`. */
  specAt: 'spec' | 'top-level';
  /** Without `spec` it is as good as with an empty one. */
  specOptional?: boolean;
  /** Fields that the schema does not have are warned of, and nothing else. */
  unknownFieldsAllowed?: boolean;
  /** Opening lines of the page in docs/kinds/. */
  doc?: string;
  /** Its values are nobody's business: problems do not quote them. */
  confidential?: boolean;
  /** The kind in resource ids, where the kind alone would name two. */
  idKind?: string;
}

const istioVersions = ['v1', 'v1beta1', 'v1alpha3'] as const;

interface Implemented<S extends z.ZodType> {
  schema: S;
  check?: Check<z.output<S>>;
  doc: string;
  specAt?: KindEntry['specAt'];
  specOptional?: boolean;
  unknownFieldsAllowed?: boolean;
  scope?: KindEntry['scope'];
  idKind?: string;
  confidential?: boolean;
}

function implemented<S extends z.ZodType>(
  kind: string,
  [group, ...versions]: readonly [string, ...string[]],
  { schema, check, doc, specAt = 'spec', scope = 'namespaced', ...rest }: Implemented<S>,
): KindEntry {
  // The check is called with the output of this very schema, which the erased type cannot say.
  const erased = check as Check<unknown>;
  return { kind, group, versions, scope, schema, check: erased, specAt, doc, ...rest };
}

function later(group: string, versions: readonly string[], kinds: readonly string[]): KindEntry[] {
  return kinds.map((kind) => ({ kind, group, versions, scope: 'namespaced', specAt: 'spec' }));
}

const gatewayApi = 'gateway.networking.k8s.io';
const networking = ['networking.istio.io', ...istioVersions] as const;

/** The group and version of a MeshConfig document; Istio itself gives it none. */
export const meshConfigApiVersion = 'mesh.istio.io/v1alpha1';

/** All kinds, those with a schema first. */
export const kindTable: readonly KindEntry[] = [
  implemented('VirtualService', networking, {
    schema: virtualServiceSpec,
    check: checkVirtualService,
    doc: virtualServiceDoc,
  }),
  implemented('DestinationRule', networking, {
    schema: destinationRuleSpec,
    check: checkDestinationRule,
    doc: destinationRuleDoc,
  }),
  implemented('ServiceEntry', networking, {
    schema: serviceEntrySpec,
    check: checkServiceEntry,
    doc: serviceEntryDoc,
  }),
  implemented('WorkloadEntry', networking, {
    schema: workloadEntrySpec,
    check: checkWorkloadEntry,
    doc: workloadEntryDoc,
  }),
  implemented('WorkloadGroup', networking, {
    schema: workloadGroupSpec,
    check: checkWorkloadGroup,
    doc: workloadGroupDoc,
  }),
  implemented('Gateway', networking, {
    schema: gatewaySpec,
    check: checkGateway,
    doc: gatewayDoc,
  }),
  implemented('ProxyConfig', networking, {
    schema: proxyConfigSpec,
    specOptional: true,
    check: checkProxyConfig,
    doc: proxyConfigDoc,
  }),
  implemented('Sidecar', networking, {
    schema: sidecarSpec,
    check: checkSidecar,
    doc: sidecarDoc,
  }),
  implemented('EnvoyFilter', networking, {
    schema: envoyFilterSpec,
    specOptional: true,
    check: checkEnvoyFilter,
    doc: envoyFilterDoc,
  }),
  implemented('WasmPlugin', ['extensions.istio.io', 'v1alpha1'], {
    schema: wasmPluginSpec,
    check: checkWasmPlugin,
    doc: wasmPluginDoc,
  }),
  implemented('MeshConfig', ['mesh.istio.io', 'v1alpha1'], {
    schema: meshConfigSpec,
    unknownFieldsAllowed: true,
    check: checkMeshConfig,
    doc: meshConfigDoc,
    scope: 'mesh',
  }),
  implemented('Service', ['', 'v1'], {
    schema: serviceSpec,
    check: checkService,
    doc: serviceDoc,
  }),
  implemented('EndpointSlice', ['discovery.k8s.io', 'v1'], {
    schema: endpointSliceSpec,
    check: checkEndpointSlice,
    doc: endpointSliceDoc,
    specAt: 'top-level',
  }),
  implemented('Endpoints', ['', 'v1'], {
    schema: endpointsSpec,
    check: checkEndpoints,
    doc: endpointsDoc,
    specAt: 'top-level',
  }),
  implemented('Secret', ['', 'v1'], {
    schema: secretSpec,
    check: checkSecret,
    doc: secretDoc,
    specAt: 'top-level',
    confidential: true,
  }),
  implemented('Namespace', ['', 'v1'], {
    schema: namespaceSpec,
    doc: namespaceDoc,
    specAt: 'top-level',
    scope: 'mesh',
  }),
  implemented('ConfigMap', ['', 'v1'], {
    schema: configMapSpec,
    doc: configMapDoc,
    specAt: 'top-level',
  }),
  implemented('GatewayClass', [gatewayApi, 'v1', 'v1beta1'], {
    schema: gatewayClassSpec,
    doc: gatewayClassDoc,
    scope: 'mesh',
  }),
  implemented('Gateway', [gatewayApi, 'v1', 'v1beta1'], {
    schema: kubernetesGatewaySpec,
    check: checkKubernetesGateway,
    doc: kubernetesGatewayDoc,
    // A Gateway of this group and one of Istio's may have the same name and namespace.
    idKind: 'Gateway.gateway.networking.k8s.io',
  }),
  implemented('ListenerSet', [gatewayApi, 'v1'], { schema: listenerSetSpec, doc: listenerSetDoc }),
  implemented('HTTPRoute', [gatewayApi, 'v1', 'v1beta1'], {
    schema: httpRouteSpec,
    check: checkHttpRoute,
    doc: httpRouteDoc,
  }),
  implemented('GRPCRoute', [gatewayApi, 'v1', 'v1alpha2'], {
    schema: grpcRouteSpec,
    check: checkGrpcRoute,
    doc: grpcRouteDoc,
  }),
  implemented('TLSRoute', [gatewayApi, 'v1', 'v1alpha3', 'v1alpha2'], {
    schema: tlsRouteSpec,
    check: checkL4Route,
    doc: tlsRouteDoc,
  }),
  implemented('TCPRoute', [gatewayApi, 'v1', 'v1alpha2'], {
    schema: tcpRouteSpec,
    check: checkL4Route,
    doc: tcpRouteDoc,
  }),
  implemented('UDPRoute', [gatewayApi, 'v1', 'v1alpha2'], {
    schema: udpRouteSpec,
    doc: udpRouteDoc,
  }),
  implemented('ReferenceGrant', [gatewayApi, 'v1', 'v1beta1', 'v1alpha2'], {
    schema: referenceGrantSpec,
    doc: referenceGrantDoc,
  }),
  implemented('BackendTLSPolicy', [gatewayApi, 'v1', 'v1alpha3'], {
    schema: backendTlsPolicySpec,
    check: checkBackendTlsPolicy,
    doc: backendTlsPolicyDoc,
  }),
  ...later('extensions.istio.io', ['v1alpha1'], ['TrafficExtension']),
  ...later(
    'security.istio.io',
    ['v1', 'v1beta1'],
    ['PeerAuthentication', 'AuthorizationPolicy', 'RequestAuthentication'],
  ),
  ...later('telemetry.istio.io', ['v1', 'v1alpha1'], ['Telemetry']),
];

const byGroupAndKind = new Map(kindTable.map((entry) => [`${entry.group}/${entry.kind}`, entry]));

/** The entry of a kind of a group; the group is empty for Kubernetes' core kinds. */
export function kindEntry(group: string, kind: string): KindEntry | undefined {
  return byGroupAndKind.get(`${group}/${kind}`);
}

/** The first entry of that name, whatever its group; those with a schema come first. */
export function kindNamed(kind: string): KindEntry | undefined {
  return kindTable.find((entry) => entry.kind === kind);
}

/** `group/version` as documents write it. */
export function apiVersionsOf(entry: KindEntry): string[] {
  return entry.versions.map((v) => (entry.group === '' ? v : `${entry.group}/${v}`));
}
