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

/** By name, as nearly every name has one version in use: keys of all three would be most of the table. */
class TypeIntern {
  readonly #byName = new Map<string, Entry | Entry[]>();
  readonly #finished = new FinalizationRegistry<string>((name) => this.#clean(name));

  find(name: string, version: string): EncodedResource | undefined {
    const known = this.#byName.get(name);
    if (known === undefined) return undefined;
    const entry = entriesOf(known).find((each) => each.version === version);
    return entry?.ref.deref();
  }

  /** In place of one of the same name and version. */
  add(resource: EncodedResource): void {
    const { name, version } = resource;
    const known = this.#byName.get(name);
    const entry: Entry = { version, ref: new WeakRef(resource) };
    if (known === undefined) this.#byName.set(name, entry);
    else {
      const others = entriesOf(known).filter((each) => each.version !== version);
      this.#set(name, [...others, entry]);
    }
    this.#finished.register(resource, name);
  }

  get size(): number {
    return [...this.#byName.values()].reduce((sum, each) => sum + entriesOf(each).length, 0);
  }

  #clean(name: string): void {
    const entries = entriesOf(this.#byName.get(name));
    this.#set(
      name,
      entries.filter(({ ref }) => ref.deref() !== undefined),
    );
  }

  #set(name: string, entries: readonly Entry[]): void {
    if (entries.length === 0) this.#byName.delete(name);
    else this.#byName.set(name, entries.length === 1 ? entries[0]! : [...entries]);
  }
}

const none: readonly Entry[] = [];

function entriesOf(entries: Entry | Entry[] | undefined): readonly Entry[] {
  if (entries === undefined) return none;
  return Array.isArray(entries) ? entries : [entries];
}
