// Which resources of other types an encoded resource points to: a cluster to its endpoint assignment, a listener to
// its routes, a route to its clusters. Read from the message, remembered by the identity of the encoded resource.
import { decode } from '../envoy/codec.js';
import { CLUSTER, ENDPOINT, LISTENER, ROUTE, SECRET, type TypeUrl } from '../envoy/resource.js';
import type { EncodedResource } from './snapshot.js';

/** Another resource that must be there for this one to work. */
export interface Reference {
  readonly typeUrl: TypeUrl;
  readonly name: string;
}

const remembered = new WeakMap<EncodedResource, readonly Reference[]>();

/**
 * References of a cluster, listener or route; empty for other types. Names of clusters that only the request knows
 * (cluster_header) are not references.
 */
export function referencesOf(resource: EncodedResource): readonly Reference[] {
  let found = remembered.get(resource);
  if (found === undefined) {
    found = readReferences(resource);
    remembered.set(resource, found);
  }
  return found;
}

/** The endpoint resource that an EDS cluster subscribes to; undefined for a cluster of another sort. */
export function endpointNameOf(cluster: EncodedResource): string | undefined {
  return referencesOf(cluster).find((reference) => reference.typeUrl === ENDPOINT)?.name;
}

interface Tree {
  [field: string]: unknown;
}

function readReferences(resource: EncodedResource): readonly Reference[] {
  const collected = new Map<string, Reference>();
  const add = (typeUrl: TypeUrl, name: unknown) => {
    if (typeof name === 'string' && name !== '')
      collected.set(`${typeUrl} ${name}`, { typeUrl, name });
  };
  if (resource.typeUrl === CLUSTER) readCluster(resource, add);
  else if (resource.typeUrl === LISTENER || resource.typeUrl === ROUTE) {
    walk(decode(resource.typeUrl, resource.bytes), add);
  }
  return [...collected.values()];
}

type Add = (typeUrl: TypeUrl, name: unknown) => void;

const EDS_DISCOVERY = 3;

function readCluster(resource: EncodedResource, add: Add): void {
  const cluster = decode<Tree>(CLUSTER, resource.bytes);
  const eds = cluster['eds_cluster_config'] as Tree | undefined;
  if (cluster['type'] === EDS_DISCOVERY) add(ENDPOINT, eds?.['service_name'] || resource.name);
  walk(cluster, add);
}

const anyTypes: Readonly<Record<string, string>> = {
  'envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager': '',
  'envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy': '',
  'envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext': '',
  'envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext': '',
};

/** Finds the fields that name other resources, wherever they are in the message. */
function walk(node: object, add: Add): void {
  if (node instanceof Uint8Array) return;
  if ('type_url' in node && 'value' in node && node.value instanceof Uint8Array) {
    const typeUrl = String(node.type_url);
    if (Object.hasOwn(anyTypes, typeUrl.slice(typeUrl.lastIndexOf('/') + 1))) {
      walk(decode(typeUrl, node.value), add);
    }
    return;
  }
  for (const [field, value] of Object.entries(node)) {
    if (field === 'rds') add(ROUTE, (value as Tree | null)?.['route_config_name']);
    else if (field === 'route' || field === 'tcp_proxy')
      add(CLUSTER, (value as Tree | null)?.['cluster']);
    else if (field === 'weighted_clusters') addWeighted(value, add);
    else if (field === 'cluster' && isTcpProxy(node)) add(CLUSTER, value);
    else if (field.endsWith('sds_secret_config') || field.endsWith('sds_secret_configs'))
      addSecrets(value, add);
    if (typeof value === 'object' && value !== null) walk(value, add);
  }
}

/** A secret by SDS over ADS; one from another source of its own is not ours to have. */
function addSecrets(value: unknown, add: Add): void {
  for (const config of Array.isArray(value) ? (value as Tree[]) : [value as Tree]) {
    const source = config?.['sds_config'] as Tree | undefined;
    if (source?.['ads']) add(SECRET, config['name']);
  }
}

function addWeighted(value: unknown, add: Add): void {
  for (const entry of ((value as Tree | null)?.['clusters'] as Tree[] | undefined) ?? []) {
    add(CLUSTER, entry['name']);
  }
}

function isTcpProxy(node: object): boolean {
  return (node as { $type?: { name: string } }).$type?.name === 'TcpProxy';
}
