// The text of one document -> documents (several for a list) with problems at their places, relative to the text.
// Files and their lines are parse-file.ts.
import type { FieldPath, Problem, ResourceId } from '../kinds/problem.js';
import type { ParsedDocument, ParsedResource, parseResource } from '../kinds/registry.js';
import { errorMessage } from '../lib/error.js';
import { type ComposedDocument, composeYaml, type YamlError } from './compose-yaml.js';
import type { FieldEnd } from './document.js';
import type { Limits } from './limits.js';
import { FieldFinder, LineIndex } from './locate.js';
import { PlainPlaces } from './plain-places.js';
import { type PlainDocument, readPlainYaml } from './plain-yaml.js';
import { yamlValue } from './yaml-value.js';

/** A place relative to a text: line 1 is its first line. */
export interface Place {
  line: number;
  col: number;
}

/** A problem that does not yet know its file. */
export type PlacedProblem = Omit<Problem, 'position'> & { place: Place };

/** One document of a chunk. */
export interface ChunkDocument {
  resource?: ParsedResource;
  id?: ResourceId;
  problems: PlacedProblem[];
  place: Place;
  /** Which of the YAML documents of the text, and where in it (`items`, 3 in a list). */
  index: number;
  prefix: FieldPath;
  /** False when it cannot be told which resource this is. */
  identified: boolean;
  /** As LocatedDocument.mistaken. */
  mistaken?: { namespace: string; name: string };
}

/** How documents are checked: kinds/registry.ts, or a stand-in in tests. */
export interface ParseSettings {
  parseResource: typeof parseResource;
  limits: Limits;
  /** Namespace of resources that name none. */
  namespace?: string;
}

/** Parses the text of one document. Never throws. */
export function parseChunk(text: string, settings: ParseSettings): ChunkDocument[] {
  const plain = readPlainYaml(text, settings.limits);
  if (plain !== undefined) return readPlain(plain, text, settings);
  const lines = new LineIndex(text);
  const documents: ChunkDocument[] = [];
  for (const [index, composed] of composeYaml(text, settings.limits).entries()) {
    if (composed.node === undefined && composed.errors.length === 0) continue;
    documents.push(...readComposed(composed, { index, lines, settings }));
  }
  return documents;
}

/** The place of a field of a document of a chunk, by parsing its text again. */
export function locateInChunk(
  text: string,
  document: { index: number; prefix: FieldPath; place: Place },
  options: { path: FieldPath; end: FieldEnd; limits: Limits },
): Place {
  const node = composeYaml(text, options.limits)[document.index]?.node;
  if (node === undefined) return document.place;
  const path = [...document.prefix, ...options.path];
  return new LineIndex(text).place(new FieldFinder(node).offset(path, options.end));
}

/** YAML text (one document) -> value, for text within a document. Throws an Error with the reason. */
export function parseYamlText(text: string, limits: Limits): unknown {
  const plain = readPlainYaml(text, limits);
  if (plain !== undefined) return plain.value;
  const [composed] = composeYaml(text, limits);
  if (composed === undefined) return null;
  const read = composed.node && yamlValue(composed.node, limits);
  const error = [...composed.errors, ...(read?.errors ?? [])].find((it) => it.severity === 'error');
  if (error === undefined) return read?.value ?? null;
  const { line, col } = new LineIndex(text).place(error.offset);
  throw new Error(`${error.message} (line ${line}, column ${col} of the text)`);
}

/** What is known of a document of the text whose value is being checked. */
interface Reading {
  index: number;
  place: Place;
  settings: ParseSettings;
  find(path: FieldPath, end: FieldEnd): Place;
}

function readPlain(plain: PlainDocument, text: string, settings: ParseSettings): ChunkDocument[] {
  const places = new PlainPlaces(text, settings.limits);
  return readItems(plain.value, {
    index: 0,
    place: plain.place,
    settings,
    find: (path, end) => places.place(path, end),
  });
}

function readComposed(
  composed: ComposedDocument,
  context: { index: number; lines: LineIndex; settings: ParseSettings },
): ChunkDocument[] {
  const { node } = composed;
  const { index, lines, settings } = context;
  const read = node && yamlValue(node, settings.limits);
  const found = [...composed.errors, ...(read?.errors ?? [])].sort((a, b) => a.offset - b.offset);
  const errors = found.map((error) => syntaxProblem(error, lines));
  const place = lines.place(composed.offset);
  if (node === undefined || found.some((error) => error.severity === 'error')) {
    return [{ problems: errors, place, index, prefix: [], identified: false }];
  }
  const value = read?.value ?? null;
  if (value === null) return [];
  const finder = new FieldFinder(node);
  const find: Reading['find'] = (path, end) => lines.place(finder.offset(path, end));
  const documents = readItems(value, { index, place, settings, find });
  if (errors.length > 0 && documents[0]) documents[0].problems.unshift(...errors);
  return documents;
}

function readItems(value: unknown, reading: Reading): ChunkDocument[] {
  return flatten(value, []).map((item) => readItem(item, reading));
}

function syntaxProblem(error: YamlError, lines: LineIndex): PlacedProblem {
  const { code, severity, message } = error;
  return { code, severity, message, place: lines.place(error.offset) };
}

interface Item {
  value: unknown;
  prefix: FieldPath;
}

// `kubectl get -o yaml` gives kind List, the API server XyzList, whose items leave out apiVersion and kind.
function flatten(value: unknown, prefix: FieldPath): Item[] {
  const list = value as { apiVersion?: unknown; kind?: unknown; items?: unknown } | null;
  if (typeof list !== 'object' || list === null || typeof list.kind !== 'string') {
    return [{ value, prefix }];
  }
  if (!list.kind.endsWith('List') || !(Array.isArray(list.items) || list.items === null)) {
    return [{ value, prefix }];
  }
  const kind = list.kind === 'List' ? undefined : list.kind.slice(0, -'List'.length);
  const items: Item[] = [];
  for (const [index, item] of (list.items ?? []).entries()) {
    const typed = kind !== undefined && typeof item === 'object' && item !== null;
    const full = typed ? { apiVersion: list.apiVersion, kind, ...item } : item;
    items.push(...flatten(full, [...prefix, 'items', index]));
  }
  return items;
}

function readItem(item: Item, reading: Reading): ChunkDocument {
  const { settings } = reading;
  const { resource, id, problems } = check(item.value, settings);
  const placed = problems.map(({ position: _, ...problem }) => ({
    ...problem,
    resource: problem.resource ?? id,
    place: reading.find([...item.prefix, ...pathOf(problem)], endOf(problem)),
  }));
  const refused = resource === undefined && problems.some((it) => it.severity === 'error');
  // Kinds of foreign APIs are skipped with a mere note.
  const slip = problems.some((it) => it.code === 'unknown-kind' && it.severity !== 'info');
  return {
    resource,
    id,
    problems: placed,
    place: item.prefix.length === 0 ? reading.place : reading.find(item.prefix, 'value'),
    index: reading.index,
    prefix: item.prefix,
    identified: !refused || id !== undefined,
    mistaken: slip ? nameOf(item.value, settings) : undefined,
  };
}

function nameOf(value: unknown, settings: ParseSettings): ChunkDocument['mistaken'] {
  const { metadata } = value as { metadata?: { name?: unknown; namespace?: unknown } | null };
  const { name, namespace = settings.namespace ?? 'default' } = metadata ?? {};
  return typeof name === 'string' && typeof namespace === 'string'
    ? { namespace, name }
    : undefined;
}

// A bug of ours in one kind must not stop the reading of everything else.
function check(value: unknown, settings: ParseSettings): ParsedDocument {
  try {
    return settings.parseResource(value, {
      namespace: settings.namespace,
      parseYaml: (text) => parseYamlText(text, settings.limits),
    });
  } catch (error) {
    const message = `Checking the document failed, which is a bug: ${errorMessage(error)}`;
    return { problems: [{ code: 'invalid-value', severity: 'error', message, path: [] }] };
  }
}

function pathOf(problem: Problem): FieldPath {
  return problem.path ?? [];
}

// About a field as such: its key. About what it holds: the value. A missing field has neither, and its place is
// that of the nearest field around it.
function endOf(problem: Problem): FieldEnd {
  switch (problem.code) {
    case 'unknown-field':
    case 'unknown-annotation':
    case 'missing-field':
    case 'not-implemented':
    case 'no-effect':
      return 'key';
    default:
      return 'value';
  }
}
