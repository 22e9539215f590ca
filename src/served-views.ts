// What each distinct view is served. Proxies with equal views share one entry; an entry is translated again only
// when a part of its view became another object, and a translation that throws leaves the last good result in force.
import type { TypeUrl } from './envoy/resource.js';
import type { Mesh } from './mesh/build-mesh.js';
import type { Proxy } from './mesh/proxy.js';
import type { ProxyView } from './mesh/proxy-view.js';
import { viewOf } from './mesh/view.js';
import { buildSnapshot, encodeSteps } from './snapshot/build-snapshot.js';
import type { ServedView } from './status/proxies.js';
import { sourcesOf } from './translate/sources.js';
import { type Translation, translate, translationSteps } from './translate/translate.js';

/** What serving a proxy came to. */
export interface Outcome {
  /** The key of its view; undefined when even that could not be told. */
  key: string | undefined;
  /** The last good result under this key, if there ever was one. */
  served: ServedView | undefined;
  /** What was thrown when the view was last made or translated; `served` is then of the time before. */
  failure?: unknown;
  /** True when the view was translated now, rather than found. */
  renewed: boolean;
}

interface Entry {
  view: ProxyView;
  served: ServedView | undefined;
  failure?: unknown;
}

export class ServedViews {
  readonly #byKey = new Map<string, Entry>();
  readonly #translate: (view: ProxyView) => Translation;

  /** `translateView` stands in for translation in tests. */
  constructor(translateView: (view: ProxyView) => Translation = translate) {
    this.#translate = translateView;
  }

  /** Views in use. */
  get size(): number {
    return this.#byKey.size;
  }

  /** The results in force, for problems. */
  values(): ServedView[] {
    return [...this.#byKey.values()].flatMap(({ served }) => (served ? [served] : []));
  }

  /** The result for a proxy in this mesh, made or renewed as needed. Never throws. */
  serve(mesh: Mesh, proxy: Proxy): Outcome {
    let view: ProxyView;
    try {
      view = viewOf(mesh, proxy);
    } catch (failure) {
      return { key: undefined, served: undefined, failure, renewed: true };
    }
    const before = this.#byKey.get(view.key);
    const known = before !== undefined && sameView(before.view, view);
    const entry = known ? before : this.#renew(view, before?.served);
    if (!known) this.#byKey.set(view.key, entry);
    const { served, failure } = entry;
    return { key: view.key, served, renewed: !known, ...(failure !== undefined && { failure }) };
  }

  /**
   * Does the work of `serve` bit by bit, so that the first proxy of a large mesh holds up nobody: what is made is
   * remembered, and `serve` finds it. Stops where something throws, which `serve` then reports.
   */
  *prepare(mesh: Mesh, proxy: Proxy): Generator<void> {
    if (this.#translate !== translate) return;
    try {
      const view = viewOf(mesh, proxy);
      const before = this.#byKey.get(view.key);
      if (before !== undefined && sameView(before.view, view)) return;
      yield;
      yield* translationSteps(view);
      const { resources } = translate(view);
      yield;
      yield* encodeSteps(resources);
    } catch {}
  }

  /** Forgets the views that no proxy has any more. */
  keepOnly(keys: ReadonlySet<string>): void {
    for (const key of this.#byKey.keys()) if (!keys.has(key)) this.#byKey.delete(key);
  }

  #renew(view: ProxyView, before: ServedView | undefined): Entry {
    try {
      const translation = this.#translate(view);
      const snapshot = buildSnapshot(translation.resources, before?.snapshot);
      return { view, served: { view, translation, snapshot } };
    } catch (failure) {
      return { view, served: before, failure };
    }
  }
}

/** Every part is the same object, whatever parts there are (mesh/view.ts); the traits of a proxy are in the key. */
function sameView(a: ProxyView, b: ProxyView): boolean {
  if (a === b) return true;
  const parts = (view: ProxyView) => {
    const { key: _key, proxy: _proxy, ...rest } = view;
    return rest as Readonly<Record<string, unknown>>;
  };
  const [before, after] = [parts(a), parts(b)];
  const names = new Set([...Object.keys(before), ...Object.keys(after)]);
  return [...names].every((name) => before[name] === after[name]);
}

/** The user's resources behind an Envoy resource of a view; none rather than an exception when unknown. */
export function causesOf(served: ServedView, typeUrl: TypeUrl, name: string) {
  try {
    return sourcesOf(served.view, typeUrl, name);
  } catch {
    return [];
  }
}
