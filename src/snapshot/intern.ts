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

/** With its version, as a look at the resource itself would keep it for as long as the present job lasts. */
interface Entry {
  version: string;
  ref: WeakRef<EncodedResource>;
}

type Entries = Map<string, Entry>;

/**
 * By name, as nearly every name has one version in use: keys of all three would be most of the table. Others, such as
 * the listener of a port, have one for each Sidecar: these are by version.
 */
class TypeIntern {
  readonly #byName = new Map<string, Entry | Entries>();
  readonly #finished = new FinalizationRegistry<string>((name) => this.#clean(name));

  find(name: string, version: string): EncodedResource | undefined {
    const known = this.#byName.get(name);
    if (known === undefined) return undefined;
    if (known instanceof Map) return known.get(version)?.ref.deref();
    return known.version === version ? known.ref.deref() : undefined;
  }

  /** In place of one of the same name and version. */
  add(resource: EncodedResource): void {
    const { name, version } = resource;
    const known = this.#byName.get(name);
    const entry: Entry = { version, ref: new WeakRef(resource) };
    if (known === undefined) this.#byName.set(name, entry);
    else if (known instanceof Map) known.set(version, entry);
    else if (known.version === version) this.#byName.set(name, entry);
    else this.#byName.set(name, new Map([known, entry].map((each) => [each.version, each])));
    this.#finished.register(resource, name);
  }

  get size(): number {
    return [...this.#byName.values()].reduce((sum, each) => sum + entriesOf(each).length, 0);
  }

  #clean(name: string): void {
    const left = entriesOf(this.#byName.get(name)).filter(({ ref }) => ref.deref() !== undefined);
    if (left.length === 0) this.#byName.delete(name);
    else if (left.length === 1) this.#byName.set(name, left[0]!);
    else this.#byName.set(name, new Map(left.map((each) => [each.version, each])));
  }
}

function entriesOf(known: Entry | Entries | undefined): readonly Entry[] {
  if (known === undefined) return [];
  return known instanceof Map ? [...known.values()] : [known];
}
