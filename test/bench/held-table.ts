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
  readonly #next = new WeakMap<readonly Change[], WeakRef<HeldTable>>();
  #initialVersions: Buffer | undefined;

  private constructor(versions: ReadonlyMap<string, string>) {
    this.versions = versions;
  }

  /** The table after these changes; the same one for the same array. */
  apply(changes: readonly Change[]): HeldTable {
    if (changes.length === 0) return this;
    const known = this.#next.get(changes)?.deref();
    if (known !== undefined) return known;
    const versions = new Map(this.versions);
    for (const { name, version } of changes) {
      if (version === undefined) versions.delete(name);
      else versions.set(name, version);
    }
    const next = new HeldTable(versions);
    this.#next.set(changes, new WeakRef(next));
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

/** Names that come to be asked for, and names no longer asked for. */
export interface Named {
  readonly added: readonly string[];
  readonly removed: readonly string[];
}

/** What a response makes of the names asked for. */
export interface Asked {
  readonly now: NameList;
  readonly added: NameList;
  readonly gone: readonly string[];
}

/** Names asked for, with the bytes of a request's `resource_names`. */
export class NameList {
  static readonly empty = new NameList([]);
  readonly names: ReadonlySet<string>;
  /** Field 3: resource_names in SotW, resource_names_subscribe in delta. */
  readonly bytes: Buffer;
  readonly #next = new WeakMap<Named, Asked>();

  private constructor(names: readonly string[]) {
    this.names = new Set(names);
    this.bytes = Buffer.concat(names.map((name) => field(3, name)));
  }

  /** After these names came and went (`whole`: the added ones are all there are); the same for the same object. */
  after(named: Named, whole: boolean): Asked {
    const known = this.#next.get(named);
    if (known !== undefined) return known;
    const added = named.added.filter((name) => !this.names.has(name));
    const stays = new Set(whole ? named.added : this.names);
    if (!whole) for (const name of named.removed) stays.delete(name);
    const gone = [...this.names].filter((name) => !stays.has(name));
    const changes = added.length + gone.length > 0;
    const names = whole ? named.added : [...stays, ...added];
    const asked = {
      now: changes ? new NameList(names) : this,
      added: added.length > 0 ? new NameList(added) : NameList.empty,
      gone,
    };
    this.#next.set(named, asked);
    return asked;
  }
}
