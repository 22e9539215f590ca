// What backendRefs lead to: a host and port of the registry, or the reason why not. Requests for a backend that is none
// get a 500, for its share alone (Gateway API, HTTPBackendRef).
import type { BackendObjectRef } from '../../kinds/gateway-api-values.js';
import type { FieldPath } from '../../kinds/problem.js';
import type { Resource } from '../../kinds/resource.js';
import type { ServiceSpec } from '../../kinds/service.js';
import { serviceHostName } from '../host-name.js';
import { find, GATEWAY_GROUP, type GatewayApiInput, mayRefer } from './resources.js';
import { bad, type Verdict } from './verdict.js';

/** A host and port; null where the reference leads nowhere. */
export type Backend = { host: string; port: number } | null;

/** A backend, and why it is none. */
export interface ResolvedBackend {
  backend: Backend;
  problem?: Verdict;
}

/** Where backends are looked up. */
export type BackendInput = Pick<GatewayApiInput, 'settings' | 'grants' | 'services' | 'byHostname'>;

/** Who refers; `enforce`: other namespaces need a ReferenceGrant. In the mesh Istio asks for none. */
export interface Referrer {
  route: Resource;
  enforce: boolean;
}

/** Resolves one reference. */
export function resolveBackend(
  input: BackendInput,
  ref: BackendObjectRef,
  { route, enforce }: Referrer,
  path: FieldPath,
): ResolvedBackend {
  const { group = '', kind = 'Service', name, namespace = route.namespace, port } = ref;
  const nowhere = (reason: string, message: string, at: FieldPath = path): ResolvedBackend => ({
    backend: null,
    problem: bad(reason, message, at),
  });
  const isHost = group === 'networking.istio.io' && kind === 'Hostname';
  if (!isHost && (group !== '' || kind !== 'Service')) {
    return nowhere('InvalidKind', `${kind} is no kind of backend`, [...path, 'kind']);
  }
  const from = {
    group: GATEWAY_GROUP,
    kind: route.kind,
    namespace: route.namespace,
    name: route.name,
  };
  // Asked before anything is looked up: without a grant nobody learns whether the Service exists.
  if (enforce && !isHost && !mayRefer(input.grants, from, { group, kind, namespace, name })) {
    const why = `no ReferenceGrant in ${namespace} lets the ${route.kind} refer to Service ${name}`;
    return nowhere('RefNotPermitted', why);
  }
  if (port === undefined) {
    return nowhere('BackendNotFound', 'the port must be given', path);
  }
  if (isHost) {
    const host = name.toLowerCase();
    if (input.byHostname.has(host)) return { backend: { host, port } };
    return nowhere('BackendNotFound', `no Service or ServiceEntry has the host ${name}`);
  }
  const service = find(input.services, namespace, name);
  if (service === undefined) {
    return nowhere('BackendNotFound', `there is no Service ${namespace}/${name}`);
  }
  const { ports = [], type } = service.spec as ServiceSpec;
  if (type !== 'ExternalName' && !ports.some((each) => each.port === port)) {
    const why = `the Service ${namespace}/${name} has no port ${port}`;
    return nowhere('BackendNotFound', why, [...path, 'port']);
  }
  const host = serviceHostName(name, namespace, input.settings.domainSuffix);
  return { backend: { host, port } };
}
