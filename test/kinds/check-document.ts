// What the tests of kinds share: documents by kind, and problems as short lines.
import { formatPath } from '../../src/kinds/problem.js';
import { type ParseOptions, parseResource } from '../../src/kinds/registry.js';

const apiVersions: Readonly<Record<string, string>> = {
  Service: 'v1',
  Endpoints: 'v1',
  EndpointSlice: 'discovery.k8s.io/v1',
  MeshConfig: 'mesh.istio.io/v1alpha1',
};

/** A document of a kind whose spec stands in `spec`. */
export function documentOf(kind: string, spec: unknown): Record<string, unknown> {
  const apiVersion = apiVersions[kind] ?? 'networking.istio.io/v1';
  return { apiVersion, kind, metadata: { name: 'sample' }, spec };
}

/** The problems with a document, as `severity code path`. */
export function problemLines(doc: unknown, options: ParseOptions = {}): string[] {
  return parseResource(doc, options).problems.map(
    (p) => `${p.severity} ${p.code} ${formatPath(p.path ?? [])}`,
  );
}

/** The spec that a document becomes; throws when it is refused. */
export function specOf<Spec>(doc: unknown, options: ParseOptions = {}): Spec {
  const { resource, problems } = parseResource(doc, options);
  if (!resource) throw new Error(`refused: ${JSON.stringify(problems)}`);
  return resource.spec as Spec;
}

/** Paths of all values in a spec, in the notation of fieldsOf: `spec.http[].match[].headers{}.exact`. */
export function pathsIn(value: unknown, path: string, known: ReadonlySet<string>): Set<string> {
  const found = new Set<string>();
  const visit = (item: unknown, at: string): void => {
    if (at !== '') found.add(at);
    if (Array.isArray(item)) {
      for (const entry of item) visit(entry, `${at}[]`);
    } else if (item !== null && typeof item === 'object') {
      for (const [key, child] of Object.entries(item)) {
        const field = at === '' ? key : `${at}.${key}`;
        visit(child, known.has(field) ? field : `${at}{}`);
      }
    }
  };
  visit(value, path);
  return found;
}
