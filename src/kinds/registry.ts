// Turns one plain document into a resource of its kind and the problems with it. The kinds themselves are in
// kind-table.ts; reading files, lists of documents and positions are the source's.
import { annotationFindings } from './annotation-check.js';
import { camelCaseFields } from './field-spelling.js';
import { type Finding, Findings } from './finding.js';
import {
  apiVersionsOf,
  type KindEntry,
  kindEntry,
  kindNamed,
  kindTable,
  meshConfigApiVersion,
} from './kind-table.js';
import { idOf, type MetadataRules, readMetadata } from './metadata.js';
import { withoutNulls } from './nulls.js';
import type { FieldPath, Problem, ResourceId, Severity } from './problem.js';
import type { ProblemCode } from './problem-codes.js';
import type { Resource } from './resource.js';
import { checkSchema } from './schema-problems.js';
import { setMarks } from './set-marks.js';
import { didYouMean } from './suggest.js';
import { withoutUnknownFields } from './unknown-fields.js';
import { partsOf } from './walk.js';

/** A resource without its place in the order of resources, which the source of the documents knows. */
export type ParsedResource<Spec = unknown> = Omit<Resource<Spec>, 'age'> & {
  creationTimestampMs?: number;
};

/** What became of a document. */
export interface ParsedDocument {
  /** Absent when a problem of severity `error` was found, or when the document is skipped. */
  resource?: ParsedResource;
  /** Present whenever kind and metadata can be read, also of refused documents. */
  id?: ResourceId;
  problems: Problem[];
}

/** Settings of parseResource. */
export interface ParseOptions {
  /** Namespace of resources that name none; `default` when absent. */
  namespace?: string;
  /** Parses the YAML text in `data.mesh` of Istio's ConfigMap; kinds does no parsing itself. May throw. */
  parseYaml?: (text: string) => unknown;
}

type Document = Readonly<Record<string, unknown>>;

/** Problems of one document beyond which the rest is only counted. */
const problemsMax = 100;
const meshNamespace = 'istio-system';

function isMapping(value: unknown): value is Document {
  return value !== null && typeof value === 'object' && !Array.isArray(value);
}

/** `doc[key]`, where only the document's own keys count and null is nothing. */
function own(doc: unknown, key: string): unknown {
  return isMapping(doc) && Object.hasOwn(doc, key) ? (doc[key] ?? undefined) : undefined;
}

function only(
  code: ProblemCode,
  severity: Severity,
  message: string,
  path: FieldPath,
): ParsedDocument {
  return { problems: [{ code, severity, message, path }] };
}

/**
 * Recognises and checks one plain document (the JSON value of one YAML document). Never throws and never changes
 * the document; the spec returned shares nothing that a later change of the document could reach, but for values
 * that the API leaves free. Lists of resources (`kind: List`) are the caller's to take apart.
 */
export function parseResource(doc: unknown, options: ParseOptions = {}): ParsedDocument {
  if (!isMapping(doc)) {
    return only('not-a-resource', 'error', 'a resource is a mapping with apiVersion and kind', []);
  }
  const kind = own(doc, 'kind');
  if (typeof kind !== 'string' || kind === '') {
    return only('not-a-resource', 'error', 'kind must be given', []);
  }
  const apiVersion = own(doc, 'apiVersion');
  if (kind === 'MeshConfig') return parseMeshDocument(doc, apiVersion);
  if (typeof apiVersion !== 'string' || apiVersion === '') {
    return only('not-a-resource', 'error', 'apiVersion must be given', []);
  }
  if (kind === 'ConfigMap' && apiVersion === 'v1' && isMeshConfigMap(doc)) {
    return parseMeshConfigMap(doc, options);
  }
  const slash = apiVersion.indexOf('/');
  const group = slash === -1 ? '' : apiVersion.slice(0, slash);
  const entry = kindEntry(group, kind);
  if (!entry) return unknownKind(group, apiVersion, kind);
  if (!entry.versions.includes(apiVersion.slice(slash + 1))) {
    const known = apiVersionsOf(entry).join(', ');
    const message = `${kind} is read as ${known}, not as ${apiVersion.slice(0, 80)}`;
    return only('unknown-kind', 'warning', message, ['apiVersion']);
  }
  const rules = { kind: entry.idKind ?? kind, namespace: options.namespace ?? 'default' };
  return parseKnown(entry, doc, rules);
}

/** Kinds of others are nothing unusual in a directory of manifests; a kind near to ours may be a mistake. */
function unknownKind(group: string, apiVersion: string, kind: string): ParsedDocument {
  const text = `${apiVersion.slice(0, 80)} ${kind.slice(0, 80)}`;
  const siblings = kindTable.filter((entry) => entry.group === group).map((entry) => entry.kind);
  if (group !== '' && siblings.length > 0) {
    const hint = didYouMean(kind, siblings);
    return only('unknown-kind', 'warning', `${text} is not a kind of this API${hint}`, ['kind']);
  }
  const entry = kindNamed(kind);
  if (entry?.group.endsWith('istio.io')) {
    const message = `${kind} is of ${apiVersionsOf(entry)[0]}, not of ${apiVersion.slice(0, 80)}`;
    return only('unknown-kind', 'warning', message, ['apiVersion']);
  }
  return only('unknown-kind', 'info', `${text} is not a kind that fairlead reads; skipped`, [
    'kind',
  ]);
}

function parseKnown(entry: KindEntry, doc: Document, rules: MetadataRules): ParsedDocument {
  const { metadata, findings } = readMetadata(withoutNulls(own(doc, 'metadata')), rules);
  const id = idOf(own(doc, 'metadata'), rules);
  const found: Finding[] = [
    ...findings,
    ...annotationFindings(rules.kind, metadata?.annotations ?? {}),
  ];
  let spec: unknown;
  if (!entry.schema) {
    spec = withoutNulls(own(doc, 'spec')) ?? {};
    const message = `${entry.kind} is accepted, but fairlead does not act on it yet`;
    found.push({ code: 'not-implemented', severity: 'warning', message, path: ['kind'] });
  } else {
    const base = entry.specAt === 'spec' ? ['spec'] : [];
    const absent = entry.specOptional ? {} : undefined;
    const given = entry.specAt === 'spec' ? (own(doc, 'spec') ?? absent) : topLevelFields(doc);
    if (entry.specAt === 'spec') found.push(...strayFields(entry, doc));
    const result = readSpec(entry, given, metadata?.namespace ?? rules.namespace);
    spec = result.spec;
    found.push(...result.findings.map((f) => ({ ...f, path: [...base, ...f.path] })));
  }
  const problems = problemsOf(found, id);
  if (!metadata || !id || problems.some((p) => p.severity === 'error')) return { id, problems };
  const { labels, annotations, creationTimestampMs, generation } = metadata;
  const apiVersion = String(own(doc, 'apiVersion') ?? meshConfigApiVersion);
  const { kind, namespace, name } = id;
  const resource: ParsedResource = {
    kind,
    namespace,
    name,
    apiVersion,
    labels,
    annotations,
    spec,
  };
  if (generation !== undefined) resource.generation = generation;
  if (creationTimestampMs !== undefined) resource.creationTimestampMs = creationTimestampMs;
  return { resource, id, problems };
}

/** Checks a spec: first its schema, then the rules of its kind, then what of it is not in use. */
function readSpec(
  entry: KindEntry,
  given: unknown,
  namespace: string,
): { spec?: unknown; findings: Finding[] } {
  if (given === undefined) {
    const message = `${entry.kind} must have a spec`;
    return { findings: [{ code: 'missing-field', severity: 'error', message, path: [] }] };
  }
  const schema = entry.schema!;
  const isIstio = entry.group.endsWith('istio.io');
  const named = isIstio ? camelCaseFields(given, schema) : { value: given, findings: [] };
  const kept = entry.unknownFieldsAllowed
    ? withoutUnknownFields(named.value, schema)
    : { value: named.value, findings: [] };
  const before = [...named.findings, ...kept.findings];
  const checked = checkSchema(schema, withoutNulls(kept.value, schema));
  if (checked.findings) {
    const found = entry.confidential ? checked.findings.map(withoutValue) : checked.findings;
    return { findings: [...before, ...found] };
  }
  const findings = new Findings();
  entry.check?.(checked.value, findings, { namespace });
  const marks = setMarks(schema, checked.value);
  return { spec: checked.value, findings: [...before, ...findings.list, ...marks] };
}

/** "expected a string, got …", without what was got. */
function withoutValue(finding: Finding): Finding {
  return { ...finding, message: finding.message.replace(/, got .*$/s, '') };
}

const documentFields = new Set(['apiVersion', 'kind', 'metadata', 'status']);

/** The fields beside metadata, for kinds that have no `spec`. */
function topLevelFields(doc: Document): Document {
  return Object.fromEntries(Object.entries(doc).filter(([key]) => !documentFields.has(key)));
}

/** Fields beside `spec` that no resource has; often a part of the spec with too little indentation. */
function strayFields(entry: KindEntry, doc: Document): Finding[] {
  const parts = entry.schema && partsOf(entry.schema);
  const inSpec = parts?.type === 'object' ? parts.fields : {};
  return Object.keys(doc)
    .filter((key) => key !== 'spec' && !documentFields.has(key) && doc[key] !== null)
    .map((key) => {
      const hint = Object.hasOwn(inSpec, key)
        ? ' here; it belongs under spec'
        : didYouMean(key, ['spec', ...documentFields]);
      const message = `unknown field ${JSON.stringify(key.slice(0, 60))}${hint}`;
      return { code: 'unknown-field', severity: 'error', message, path: [key] };
    });
}

function problemsOf(findings: readonly Finding[], id: ResourceId | undefined): Problem[] {
  const problems: Problem[] = findings.slice(0, problemsMax).map((finding) => ({ ...finding }));
  const rest = findings.slice(problemsMax);
  if (rest.length > 0) {
    // The rest may hold the only error, and an error must never be lost.
    const severity = rest.some((f) => f.severity === 'error') ? 'error' : 'warning';
    const message = `and ${rest.length} more problems in this document`;
    problems.push({ code: rest[0]!.code, severity, message, path: rest[0]!.path });
  }
  return id ? problems.map((problem) => ({ ...problem, resource: id })) : problems;
}

const meshEntry = kindTable.find((entry) => entry.kind === 'MeshConfig')!;

function meshRules(): MetadataRules {
  return { kind: 'MeshConfig', namespace: meshNamespace, name: 'istio' };
}

/** `kind: MeshConfig`. Istio has no such kind of resource, so apiVersion and metadata may be left out. */
function parseMeshDocument(doc: Document, apiVersion: unknown): ParsedDocument {
  if (apiVersion !== undefined && typeof apiVersion !== 'string') {
    return only('not-a-resource', 'error', 'apiVersion must be a string', ['apiVersion']);
  }
  return parseKnown(meshEntry, { ...doc, spec: doc['spec'] ?? {} }, meshRules());
}

function isMeshConfigMap(doc: Document): boolean {
  const metadata = own(doc, 'metadata');
  return own(metadata, 'name') === 'istio' && own(metadata, 'namespace') === meshNamespace;
}

/** Istio's ConfigMap: MeshConfig is YAML text in `data.mesh`; problems within have paths below that. */
function parseMeshConfigMap(doc: Document, options: ParseOptions): ParsedDocument {
  const base = ['data', 'mesh'];
  const rules = meshRules();
  const id: ResourceId = { kind: 'MeshConfig', namespace: meshNamespace, name: 'istio' };
  const text = own(own(doc, 'data'), 'mesh');
  const refuse = (code: ProblemCode, message: string): ParsedDocument => ({
    id,
    problems: [{ code, severity: 'error', message, path: base, resource: id }],
  });
  if (text === undefined) return refuse('missing-field', 'data.mesh must be given');
  if (typeof text !== 'string') return refuse('wrong-type', 'data.mesh must be YAML text');
  let settings: unknown;
  try {
    settings = options.parseYaml ? options.parseYaml(text) : JSON.parse(text);
  } catch (error) {
    const why = error instanceof Error ? error.message.slice(0, 200) : 'unreadable';
    return refuse('yaml-syntax', `data.mesh is not valid YAML: ${why}`);
  }
  const { metadata, findings } = readMetadata(withoutNulls(own(doc, 'metadata')), rules);
  const result = readSpec(meshEntry, settings ?? {}, rules.namespace);
  const inText = result.findings.map((f) => ({ ...f, path: [...base, ...f.path] }));
  const problems = problemsOf([...findings, ...inText], id);
  if (!metadata || problems.some((p) => p.severity === 'error')) return { id, problems };
  const { labels, annotations, creationTimestampMs } = metadata;
  const resource: ParsedResource = {
    ...id,
    apiVersion: meshConfigApiVersion,
    labels,
    annotations,
    spec: result.spec,
  };
  if (creationTimestampMs !== undefined) resource.creationTimestampMs = creationTimestampMs;
  return { resource, id, problems };
}
