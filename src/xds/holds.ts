// What is held back from one client, applied to what it is to have. Immutable once made; the same object is shared by
// all clients from which the same is held back, so that they share the result and its bytes.
import type { EncodedResource, TypeSnapshot } from '../snapshot/snapshot.js';

/** One resource that is held back. */
export interface Hold {
  readonly resource: EncodedResource;
  /** Served in its place; undefined: nothing. */
  readonly instead: EncodedResource | undefined;
  readonly message: string;
  readonly since: Date;
}

type Replace = (
  type: TypeSnapshot,
  byName: ReadonlyMap<string, EncodedResource | undefined>,
) => TypeSnapshot;

/** A set of resources to be held back. */
export class Holds {
  private readonly byType = new Map<string, Hold[]>();
  private readonly results = new WeakMap<TypeSnapshot, TypeSnapshot>();
  /** One map for each exchange, as `replace` remembers by identity. */
  private readonly exchanges = new Map<string, ReadonlyMap<string, EncodedResource | undefined>>();

  constructor(private readonly replace: Replace) {}

  get isEmpty(): boolean {
    return this.byType.size === 0;
  }

  /** Only while it is made. */
  add(hold: Hold): void {
    const { typeUrl } = hold.resource;
    const holds = this.byType.get(typeUrl);
    if (holds === undefined) this.byType.set(typeUrl, [hold]);
    else holds.push(hold);
  }

  /** What is held back of this state of a type. */
  in(typeUrl: string, target: TypeSnapshot): readonly Hold[] {
    const holds = this.byType.get(typeUrl) ?? [];
    return holds.filter(
      ({ resource }) => target.resources.get(resource.name)?.version === resource.version,
    );
  }

  /** The state without what is held back; itself when it has nothing of that. */
  apply(typeUrl: string, target: TypeSnapshot): TypeSnapshot {
    if (!this.byType.has(typeUrl)) return target;
    let result = this.results.get(target);
    if (result === undefined) {
      result = this.exchange(target, this.in(typeUrl, target));
      this.results.set(target, result);
    }
    return result;
  }

  private exchange(target: TypeSnapshot, held: readonly Hold[]): TypeSnapshot {
    if (held.length === 0) return target;
    const key = held
      .map(({ resource: { typeUrl, name, version } }) => [typeUrl, name, version].join('\n'))
      .join('\n');
    let byName = this.exchanges.get(key);
    if (byName === undefined) {
      byName = new Map(held.map(({ resource, instead }) => [resource.name, instead]));
      this.exchanges.set(key, byName);
    }
    return this.replace(target, byName);
  }
}
