// One object for each content: encoded resources found again by type, name and version for as long as somebody
// holds them. Held weakly, so it never keeps a resource alive.
import type { EncodedResource } from './snapshot.js';

/** A weak table of encoded resources. */
export class ResourceIntern {
  private readonly refs = new Map<string, WeakRef<EncodedResource>>();
  private readonly finished = new FinalizationRegistry<string>((key) => {
    // A newer object may have taken the key in the meantime.
    if (this.refs.get(key)?.deref() === undefined) this.refs.delete(key);
  });

  /** The resource of that name and version, if it is still in use. */
  find(typeUrl: string, name: string, version: string): EncodedResource | undefined {
    return this.refs.get(keyOf(typeUrl, name, version))?.deref();
  }

  add(resource: EncodedResource): void {
    const key = keyOf(resource.typeUrl, resource.name, resource.version);
    this.refs.set(key, new WeakRef(resource));
    this.finished.register(resource, key);
  }

  get size(): number {
    return this.refs.size;
  }
}

function keyOf(typeUrl: string, name: string, version: string): string {
  return `${typeUrl}\n${name}\n${version}`;
}
