// A case through the real pipe: documents -> memory source -> store -> mesh -> view -> translation -> canonical JSON.
import { MemorySource } from '../../src/config/memory.js';
import { toJson, verify } from '../../src/envoy/codec.js';
import {
  CLUSTER,
  ENDPOINT,
  EXTENSION_CONFIG,
  LISTENER,
  type ResourcesByType,
  ROUTE,
  SECRET,
  type TypeUrl,
} from '../../src/envoy/resource.js';
import { formatPath, type Problem, resourceKey } from '../../src/kinds/problem.js';
import { buildMesh, type Mesh } from '../../src/mesh/build-mesh.js';
import { parseProxy } from '../../src/mesh/parse-proxy.js';
import type { ProxyView } from '../../src/mesh/proxy-view.js';
import { viewOf } from '../../src/mesh/view.js';
import { Store } from '../../src/store/store.js';
import { type Translation, translate } from '../../src/translate/translate.js';
import { unmatchedPatches } from '../../src/unmatched-patches.js';
import { type Case, matches, type Slice } from './case-files.js';

const typeOfSlice: Record<Slice, TypeUrl> = {
  clusters: CLUSTER,
  endpoints: ENDPOINT,
  listeners: LISTENER,
  routes: ROUTE,
  extensions: EXTENSION_CONFIG,
  secrets: SECRET,
};

export interface CaseRun {
  /** Expected files: `PROXY.SLICE.json`, and `problems.txt` where there are any. */
  files: Map<string, string>;
  /** What the codec does not know in the messages made. */
  unknown: string[];
  views: ReadonlyMap<string, ProxyView>;
  translations: ReadonlyMap<string, ResourcesByType>;
}

/** A mesh that follows its documents, as the control plane's loop does. */
export class CaseMesh {
  readonly #source = new MemorySource();
  readonly #store = new Store();
  #mesh: Mesh | undefined;

  /** Takes documents in their order, one file for all of them. */
  async read(documents: readonly string[]): Promise<{ mesh: Mesh; problems: readonly Problem[] }> {
    this.#source.set('in.yaml', documents.join('---\n'));
    const { generation } = this.#store.accept(await this.#source.read(), 0);
    this.#mesh = buildMesh(generation, this.#mesh);
    return { mesh: this.#mesh, problems: [...generation.problems, ...this.#mesh.problems] };
  }
}

/** Runs a case with its documents in the order given. */
export async function runCase(test: Case, documents: readonly string[]): Promise<CaseRun> {
  const { mesh, problems } = await new CaseMesh().read(documents);
  const found = new Set(problems.map(problemLine));
  const files = new Map<string, string>();
  const unknown: string[] = [];
  const views = new Map<string, ProxyView>();
  const translations = new Map<string, ResourcesByType>();
  const seen: { view: ProxyView; translation: Translation }[] = [];
  for (const { name, node } of test.proxies) {
    const view = viewOf(mesh, parseProxy(node));
    const translation = translate(view);
    seen.push({ view, translation });
    const { resources, problems: doubts } = translation;
    for (const doubt of doubts) found.add(problemLine(doubt));
    unknown.push(...unknownFields(resources));
    for (const [slice, patterns] of test.show) {
      files.set(`${name}.${slice}.json`, sliceText(resources, slice, patterns));
    }
    views.set(name, view);
    translations.set(name, resources);
  }
  for (const unmatched of unmatchedPatches(mesh, seen)) found.add(problemLine(unmatched));
  if (found.size > 0) files.set('problems.txt', `${[...found].sort().join('\n')}\n`);
  return { files, unknown, views, translations };
}

/** Without position: the same case is read in several orders. */
function problemLine({ severity, code, message, resource, path }: Problem): string {
  const who = resource ? ` ${resourceKey(resource)}` : '';
  const where = path && path.length > 0 ? ` ${formatPath(path)}` : '';
  return `${severity} ${code}${who}${where}: ${message}`;
}

function unknownFields(resources: ResourcesByType): string[] {
  return [...resources].flatMap(([typeUrl, messages]) =>
    [...messages].flatMap(([name, message]) =>
      verify(typeUrl, message).map((line) => `${name}: ${line}`),
    ),
  );
}

function sliceText(resources: ResourcesByType, slice: Slice, patterns: readonly string[]): string {
  const typeUrl = typeOfSlice[slice];
  const shown = [...(resources.get(typeUrl) ?? [])]
    .filter(([name]) => matches(name, patterns))
    .map(([, message]) => toJson(typeUrl, message));
  return `${JSON.stringify(sortKeys(shown), null, 2)}\n`;
}

function sortKeys(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sortKeys);
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(entries.map(([key, inner]) => [key, sortKeys(inner)]));
}
