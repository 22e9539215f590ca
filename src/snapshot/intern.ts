// One object for each content: encoded resources found again by type, name and version for as long as somebody
// holds them. Held weakly, so it never keeps a resource alive.
import type { EncodedResource } from './snapshot.js';

/** A weak table of encoded resources. */
export class ResourceIntern {
  readonly #types = new Map<string, TypeIntern>();

  /** The resource of that name and version, if it is still in use. */
  find(typeUrl: string, name: string, version: string): EncodedResource | undefined {
    return this.#types.get(typeUrl)?.find(name, version);
  }

  add(resource: EncodedResource): void {
    let type = this.#types.get(resource.typeUrl);
    if (type === undefined) {
      type = new TypeIntern();
      this.#types.set(resource.typeUrl, type);
    }
    type.add(resource);
  }

  get size(): number {
    return [...this.#types.values()].reduce((sum, { size }) => sum + size, 0);
  }
}

type Ref = WeakRef<EncodedResource>;

/** By name, as nearly every name has one version in use: keys of all three would be most of the table. */
class TypeIntern {
  readonly #byName = new Map<string, Ref | Ref[]>();
  readonly #finished = new FinalizationRegistry<string>((name) => this.#clean(name));

  find(name: string, version: string): EncodedResource | undefined {
    for (const ref of refsOf(this.#byName.get(name))) {
      const resource = ref.deref();
      if (resource?.version === version) return resource;
    }
    return undefined;
  }

  /** In place of one of the same name and version. */
  add(resource: EncodedResource): void {
    const { name, version } = resource;
    const others = refsOf(this.#byName.get(name)).filter((ref) => {
      const other = ref.deref();
      return other !== undefined && other.version !== version;
    });
    this.#set(name, [...others, new WeakRef(resource)]);
    this.#finished.register(resource, name);
  }

  get size(): number {
    return [...this.#byName.values()].reduce((sum, refs) => sum + refsOf(refs).length, 0);
  }

  #clean(name: string): void {
    this.#set(
      name,
      refsOf(this.#byName.get(name)).filter((ref) => ref.deref() !== undefined),
    );
  }

  #set(name: string, refs: readonly Ref[]): void {
    if (refs.length === 0) this.#byName.delete(name);
    else this.#byName.set(name, refs.length === 1 ? refs[0]! : [...refs]);
  }
}

const none: readonly Ref[] = [];

function refsOf(refs: Ref | Ref[] | undefined): readonly Ref[] {
  if (refs === undefined) return none;
  return Array.isArray(refs) ? refs : [refs];
}
