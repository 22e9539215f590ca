// What simulated sidecars hold of one type. Sidecars that got the same answers share one immutable table and the
// request bytes made of it, so that a thousand of them cost little more than one.
import { field } from './wire.js';

/** A resource that came (with its version; '' in SotW) or went. */
export interface Change {
  readonly name: string;
  readonly version: string | undefined;
}

/** Names and versions of one type; equal tables that came about alike are one object. */
export class HeldTable {
  static readonly empty = new HeldTable(new Map());
  readonly versions: ReadonlyMap<string, string>;
  readonly #next = new Map<string, WeakRef<HeldTable>>();
  #initialVersions: Buffer | undefined;

  private constructor(versions: ReadonlyMap<string, string>) {
    this.versions = versions;
  }

  /** The table after these changes. */
  apply(changes: readonly Change[]): HeldTable {
    if (changes.length === 0) return this;
    const key = changes.map(({ name, version }) => `${name} ${version ?? '-'}`).join('\n');
    const known = this.#next.get(key)?.deref();
    if (known !== undefined) return known;
    const versions = new Map(this.versions);
    for (const { name, version } of changes) {
      if (version === undefined) versions.delete(name);
      else versions.set(name, version);
    }
    const next = new HeldTable(versions);
    if (this.#next.size >= 8) this.#next.clear();
    this.#next.set(key, new WeakRef(next));
    return next;
  }

  /** `initial_resource_versions` (field 5 of DeltaDiscoveryRequest) of all that is held. */
  initialVersions(): Buffer {
    this.#initialVersions ??= Buffer.concat(
      [...this.versions].map(([name, version]) =>
        field(5, Buffer.concat([field(1, name), field(2, version)])),
      ),
    );
    return this.#initialVersions;
  }
}

const encodedNames = new Map<string, WeakRef<NameList>>();

/** Names asked for, with the bytes of a request's `resource_names`; the same object for equal lists. */
export class NameList {
  readonly names: ReadonlySet<string>;
  /** Field 3: resource_names in SotW, resource_names_subscribe in delta. */
  readonly bytes: Buffer;

  private constructor(names: readonly string[]) {
    this.names = new Set(names);
    this.bytes = Buffer.concat(names.map((name) => field(3, name)));
  }

  /** The list of these names. */
  static of(names: readonly string[]): NameList {
    const key = names.join('\n');
    const known = encodedNames.get(key)?.deref();
    if (known !== undefined) return known;
    const list = new NameList(names);
    encodedNames.set(key, new WeakRef(list));
    return list;
  }
}
