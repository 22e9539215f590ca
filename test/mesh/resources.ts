// Resources for the tests of the mesh, as the store hands them over. Specs are written by hand in the parsed form.
import type { Resource } from '../../src/kinds/resource.js';
import type { MeshInput } from '../../src/mesh/build-mesh.js';
import { parseProxy } from '../../src/mesh/parse-proxy.js';
import type { Proxy as ConnectedProxy } from '../../src/mesh/proxy.js';

let firstSeen = 0;

export interface Meta {
  namespace?: string;
  labels?: Record<string, string>;
  annotations?: Record<string, string>;
  timestampMs?: number;
}

/** One resource, younger than those made before it. */
export function make(kind: string, name: string, spec: object, meta: Meta = {}): Resource {
  const { namespace = 'default', labels = {}, annotations = {}, timestampMs } = meta;
  const age = {
    firstSeen: firstSeen++,
    ...(timestampMs === undefined ? {} : { timestampMs }),
  };
  return { apiVersion: 'v1', kind, name, namespace, labels, annotations, age, spec };
}

/** The input of buildMesh: every call of byKind gives a new array, as the worst of stores would. */
export function input(...resources: readonly Resource[]): MeshInput {
  return { byKind: (kind) => resources.filter((resource) => resource.kind === kind) };
}

/** A v1 Service with an HTTP port 8080 to 9090, selecting `app: NAME`. */
export function service(name: string, spec: object = {}, meta: Meta = {}): Resource {
  const ports = [{ name: 'http', port: 8080, targetPort: 9090 }];
  return make('Service', name, { selector: { app: name }, ports, ...spec }, meta);
}

export function workload(name: string, spec: object, meta: Meta = {}): Resource {
  return make('WorkloadEntry', name, spec, meta);
}

export function slice(name: string, of: string, spec: object, meta: Meta = {}): Resource {
  const labels = { 'kubernetes.io/service-name': of, ...meta.labels };
  const ports = [{ name: 'http', port: 9090 }];
  return make('EndpointSlice', name, { addressType: 'IPv4', ports, ...spec }, { ...meta, labels });
}

export function virtualService(name: string, spec: object, meta: Meta = {}): Resource {
  return make('VirtualService', name, spec, meta);
}

/** A VirtualService with one rule that sends everything to `host`. */
export function routeTo(name: string, host: string, meta: Meta = {}, more: object = {}): Resource {
  const http = [{ route: [{ destination: { host } }] }];
  return virtualService(name, { hosts: [host], http, ...more }, meta);
}

export function rule(name: string, host: string, spec: object = {}, meta: Meta = {}): Resource {
  return make('DestinationRule', name, { host, ...spec }, meta);
}

/** A sidecar as its node says. */
export function sidecar(
  namespace: string,
  ip = '10.9.9.9',
  labels: Record<string, string> = {},
): ConnectedProxy {
  return parseProxy({
    id: `sidecar~${ip}~app.${namespace}~${namespace}.svc.cluster.local`,
    cluster: 'app',
    metadata: { NAMESPACE: namespace, LABELS: labels },
  });
}
