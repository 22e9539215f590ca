// One set of resources for everybody: what a program changes one by one, of one type or of several. Kept in buckets
// by name, so that a change costs what its bucket has, not what the type has. Different resources for different nodes
// are the snapshot cache's business.
import type { ResourceName, TypeUrl, Version } from '../envoy/resource.js';
import { disjointSnapshot, emptyTypeSnapshot, typeSnapshot } from '../snapshot/build-snapshot.js';
import type { EncodedResource, Snapshot, TypeSnapshot } from '../snapshot/snapshot.js';
import type { SnapshotListener, XdsCache } from './snapshot-cache.js';

/** Changes that are seen together. A name that is both set and deleted is set. */
export interface LinearUpdate {
  readonly set?: Iterable<EncodedResource>;
  readonly delete?: Iterable<{ readonly typeUrl: string; readonly name: string }>;
  /** The version of each type that changes; without it, a hash of the content. */
  readonly version?: string;
}

/** Buckets double when they have more than this on average: 10,000 resources are 64 buckets of 156. */
const bucketSizeMax = 256;

/**
 * Resources by type and name, the same for every node. Before the first change there is no snapshot, and streams wait:
 * a server that has just started must not tell clients that all is gone. `update({})` says that there is nothing.
 */
export class LinearCache implements XdsCache {
  private readonly types = new Map<TypeUrl, Buckets>();
  private readonly listeners = new Set<SnapshotListener>();
  private snapshot: Snapshot | undefined;

  /** Adds a resource, or replaces the one of its type and name. Many at once: `update`. */
  set(resource: EncodedResource): void {
    this.update({ set: [resource] });
  }

  /** Takes a resource away; nothing happens when it is not there. */
  delete(typeUrl: string, name: string): void {
    this.update({ delete: [{ typeUrl, name }] });
  }

  /** All changes in one step: clients see all of them or none. */
  update({ set = [], delete: deleted = [], version }: LinearUpdate): void {
    const touched = new Set<TypeUrl>();
    for (const { typeUrl, name } of deleted) {
      if (this.types.get(typeUrl as TypeUrl)?.delete(name)) touched.add(typeUrl as TypeUrl);
    }
    for (const resource of set) {
      if (this.bucketsOf(resource.typeUrl).set(resource)) touched.add(resource.typeUrl);
    }
    this.publish(touched, version);
  }

  /** Makes these the resources of a type, all of them. */
  replace(typeUrl: string, resources: Iterable<EncodedResource>, version?: string): void {
    const kept = new Map([...resources].map((resource) => [resource.name, resource]));
    const names = [...(this.resources(typeUrl)?.keys() ?? [])];
    const deleted = names.filter((name) => !kept.has(name)).map((name) => ({ typeUrl, name }));
    this.update({ set: kept.values(), delete: deleted, ...(version !== undefined && { version }) });
  }

  /** What is served of a type now. */
  resources(typeUrl: string): ReadonlyMap<ResourceName, EncodedResource> | undefined {
    return this.snapshot?.types.get(typeUrl as TypeUrl)?.resources;
  }

  /** The same for every group; undefined before the first change. */
  get(_group?: string): Snapshot | undefined {
    return this.snapshot;
  }

  watch(_group: string, listener: SnapshotListener): () => void {
    // A function of its own for each watch: one listener may watch several groups.
    const own: SnapshotListener = (snapshot) => listener(snapshot);
    this.listeners.add(own);
    return () => {
      this.listeners.delete(own);
    };
  }

  private bucketsOf(typeUrl: TypeUrl): Buckets {
    let buckets = this.types.get(typeUrl);
    if (buckets === undefined) {
      buckets = new Buckets();
      this.types.set(typeUrl, buckets);
    }
    return buckets;
  }

  private publish(touched: ReadonlySet<TypeUrl>, version: string | undefined): void {
    if (touched.size === 0 && this.snapshot !== undefined) return;
    const types = new Map(this.snapshot?.types);
    for (const typeUrl of touched) {
      const type = this.bucketsOf(typeUrl).snapshot();
      const given = version as Version | undefined;
      types.set(typeUrl, given ? typeSnapshot(type.resources, undefined, given) : type);
    }
    this.snapshot = { types };
    for (const listener of [...this.listeners]) listener(this.snapshot);
  }
}

/** The resources of one type. A bucket's Map is never changed once a snapshot has it. */
class Buckets {
  private parts: TypeSnapshot[] = [emptyTypeSnapshot];
  private readonly changed = new Map<number, Map<ResourceName, EncodedResource>>();
  private size = 0;

  /** Whether anything changed by it. */
  set(resource: EncodedResource): boolean {
    const at = this.bucketAt(resource.name);
    const before = this.bucket(at).get(resource.name);
    if (before === resource) return false;
    this.writable(at).set(resource.name, resource);
    if (before === undefined) this.size++;
    if (this.size > this.parts.length * bucketSizeMax) this.grow();
    return true;
  }

  delete(name: ResourceName): boolean {
    const at = this.bucketAt(name);
    if (!this.bucket(at).has(name)) return false;
    this.writable(at).delete(name);
    this.size--;
    return true;
  }

  snapshot(): TypeSnapshot {
    for (const [at, resources] of this.changed) this.parts[at] = typeSnapshot(resources);
    this.changed.clear();
    return disjointSnapshot(this.parts);
  }

  private bucket(at: number): ReadonlyMap<ResourceName, EncodedResource> {
    return this.changed.get(at) ?? this.parts[at]!.resources;
  }

  private writable(at: number): Map<ResourceName, EncodedResource> {
    let bucket = this.changed.get(at);
    if (bucket === undefined) {
      bucket = new Map(this.parts[at]!.resources);
      this.changed.set(at, bucket);
    }
    return bucket;
  }

  private bucketAt(name: string): number {
    let hash = 0;
    for (let i = 0; i < name.length; i++) hash = (Math.imul(hash, 31) + name.charCodeAt(i)) | 0;
    // The number of buckets is a power of two; the mixing lets the upper bits count.
    return (hash ^ (hash >>> 15)) & (this.parts.length - 1);
  }

  private grow(): void {
    const all = this.parts.flatMap((_, at) => [...this.bucket(at).values()]);
    this.parts = new Array<TypeSnapshot>(this.parts.length * 4).fill(emptyTypeSnapshot);
    this.changed.clear();
    for (const resource of all) {
      this.writable(this.bucketAt(resource.name)).set(resource.name, resource);
    }
  }
}
