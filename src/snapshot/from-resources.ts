// For programs that write Envoy configuration by hand: resources from ProtoJSON, as in Envoy's own documentation, and
// a snapshot from a plain list. What the control plane translates comes by build-snapshot.ts.
import { encodeJson } from '../envoy/codec.js';
import type { TypeUrl, Version } from '../envoy/resource.js';
import { snapshotOf, typeSnapshot } from './build-snapshot.js';
import { encodedResource } from './encode.js';
import type { EncodedResource, Snapshot, TypeSnapshot } from './snapshot.js';

/** What may be said of a resource beside its content. */
export interface ResourceOptions {
  /** Where the message does not have it in `name` or `cluster_name`. */
  readonly name?: string;
  /** Instead of the hash of the bytes. */
  readonly version?: string;
}

/**
 * A resource from ProtoJSON: fields in snake_case or camelCase, durations as '1.5s', an Any as an object with '@type'.
 * Throws on a type without a proto (`encodedResource` takes any bytes), unknown fields, bad values, or without a name.
 */
export function resourceFromJson(
  typeUrl: string,
  json: object,
  options: ResourceOptions = {},
): EncodedResource {
  const { name, cluster_name, clusterName } = json as Record<string, unknown>;
  const found = options.name ?? name ?? cluster_name ?? clusterName;
  if (typeof found !== 'string' || found === '') {
    throw new TypeError(`a resource of ${typeUrl} needs a name`);
  }
  const bytes = encodeJson(typeUrl, json);
  return encodedResource(typeUrl, found, bytes, options.version);
}

/** What a snapshot may be made with. */
export interface SnapshotOptions {
  /** Versions by type URL, instead of hashes of the content. */
  readonly versions?: Readonly<Record<string, string>>;
  /** The snapshot before it: what did not change is shared, and comes back whole when nothing did. */
  readonly previous?: Snapshot | undefined;
}

/** A snapshot of these resources, in this order; of two with one name of a type the later one counts. */
export function snapshotFrom(
  resources: Iterable<EncodedResource>,
  { versions = {}, previous }: SnapshotOptions = {},
): Snapshot {
  const byType = new Map<TypeUrl, Map<string, EncodedResource>>();
  for (const resource of resources) {
    const ofType = byType.get(resource.typeUrl) ?? new Map<string, EncodedResource>();
    byType.set(resource.typeUrl, ofType.set(resource.name, resource));
  }
  const types = new Map<TypeUrl, TypeSnapshot>();
  for (const [typeUrl, ofType] of byType) {
    const version = versions[typeUrl] as Version | undefined;
    types.set(typeUrl, typeSnapshot(ofType, previous?.types.get(typeUrl), version));
  }
  return snapshotOf(types, previous);
}
