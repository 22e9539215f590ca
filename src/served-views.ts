// What each distinct view is served. Proxies with equal views share one entry; an entry is translated again only
// when a part of its view became another object, and a translation that throws leaves the last good snapshot in force.
import type { TypeUrl } from './envoy/resource.js';
import type { Mesh } from './mesh/build-mesh.js';
import type { Proxy } from './mesh/proxy.js';
import type { ProxyView } from './mesh/proxy-view.js';
import { viewOf } from './mesh/view.js';
import { buildSnapshot, emptySnapshot } from './snapshot/build-snapshot.js';
import type { Snapshot } from './snapshot/snapshot.js';
import { sourcesOf } from './translate/sources.js';
import { type Translation, translate } from './translate/translate.js';

/** One view, its translation and the encoded snapshot. Replaced, never changed. */
export interface ServedView {
  view: ProxyView;
  translation: Translation;
  snapshot: Snapshot;
  /** What was thrown when this view was last translated; the rest is then of the time before. */
  failure?: unknown;
}

export class ServedViews {
  readonly #byKey = new Map<string, ServedView>();

  /** Views in use. */
  get size(): number {
    return this.#byKey.size;
  }

  /** The entry of a view that is in use. */
  get(key: string): ServedView | undefined {
    return this.#byKey.get(key);
  }

  /** All entries, for problems and metrics. */
  values(): Iterable<ServedView> {
    return this.#byKey.values();
  }

  /** The entry for a proxy in this mesh, made or renewed as needed. Never throws. */
  serve(mesh: Mesh, proxy: Proxy): ServedView {
    const view = viewOf(mesh, proxy);
    const before = this.#byKey.get(view.key);
    if (before !== undefined && sameView(before.view, view)) return before;
    const served = renew(view, before);
    this.#byKey.set(view.key, served);
    return served;
  }

  /** Forgets the views that no proxy has any more. */
  keepOnly(keys: ReadonlySet<string>): void {
    for (const key of this.#byKey.keys()) if (!keys.has(key)) this.#byKey.delete(key);
  }
}

const nothing: Translation = { resources: new Map(), problems: [] };

function renew(view: ProxyView, before: ServedView | undefined): ServedView {
  try {
    const translation = translate(view);
    return { view, translation, snapshot: buildSnapshot(translation.resources, before?.snapshot) };
  } catch (failure) {
    return {
      view,
      translation: before?.translation ?? nothing,
      snapshot: before?.snapshot ?? emptySnapshot,
      failure,
    };
  }
}

// Within one key the proxy's traits are equal; the parts keep identity while they are (mesh/view.ts).
function sameView(a: ProxyView, b: ProxyView): boolean {
  return (
    a === b || (a.settings === b.settings && a.outbound === b.outbound && a.inbound === b.inbound)
  );
}

/** The user's resources behind an Envoy resource of a view; none rather than an exception when unknown. */
export function causesOf(served: ServedView, typeUrl: TypeUrl, name: string) {
  try {
    return sourcesOf(served.view, typeUrl, name);
  } catch {
    return [];
  }
}
