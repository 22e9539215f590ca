// Which marked fields (field.ts) a user has set. The marked parts of a schema are compiled once to a small tree, so
// that a document is looked at only where a mark can be.
import type { z } from 'zod';
import { type FieldStatus, fieldStatus } from './field.js';
import type { Finding } from './finding.js';
import type { FieldPath } from './problem.js';
import { valueStatus } from './schema.js';
import { partsOf, required } from './walk.js';

interface MarkTree {
  status?: FieldStatus;
  values?: Readonly<Record<string, FieldStatus>>;
  fields?: ReadonlyMap<string, MarkTree>;
  items?: MarkTree;
}

const compiled = new WeakMap<z.ZodType, MarkTree | null>();

function compile(schema: z.ZodType): MarkTree | null {
  const known = compiled.get(schema);
  if (known !== undefined) return known;
  const tree = compileParts(required(schema));
  compiled.set(schema, tree);
  return tree;
}

function compileParts(schema: z.ZodType): MarkTree | null {
  const status = fieldStatus(schema);
  if (status) return { status };
  const parts = partsOf(schema);
  if (parts.type === 'enum') {
    const values = valueStatus(schema);
    return values ? { values } : null;
  }
  if (parts.type === 'list' || parts.type === 'map') {
    const items = compile(parts.items);
    return items ? { items } : null;
  }
  if (parts.type !== 'object') return null;
  const fields = new Map<string, MarkTree>();
  for (const [key, field] of Object.entries(parts.fields)) {
    const tree = compile(field);
    if (tree) fields.set(key, tree);
  }
  return fields.size > 0 ? { fields } : null;
}

function findingOf(status: FieldStatus, what: string, path: FieldPath): Finding {
  const why = status.reason === undefined ? '' : `. ${status.reason}`;
  return status.status === 'no-effect'
    ? {
        code: 'no-effect',
        severity: 'info',
        message: `${what} has no effect${why}`,
        path,
      }
    : {
        code: 'not-implemented',
        severity: 'warning',
        message: `${what} is accepted, but fairlead does not act on it yet${why}`,
        path,
      };
}

interface Found {
  list: Finding[];
  /** Marks of no effect that were reported: the first place says all there is to say. */
  said: Set<MarkTree>;
}

function collect(tree: MarkTree, value: unknown, path: FieldPath, found: Found): void {
  if (value === undefined || value === null) return;
  if (tree.status) {
    if (tree.status.status === 'no-effect') {
      if (found.said.has(tree)) return;
      found.said.add(tree);
    }
    found.list.push(findingOf(tree.status, String(path.at(-1)), path));
    return;
  }
  if (tree.values) {
    const status = typeof value === 'string' ? tree.values[value] : undefined;
    if (status) found.list.push(findingOf(status, `${String(path.at(-1))} ${String(value)}`, path));
    return;
  }
  if (typeof value !== 'object') return;
  if (tree.items) {
    const entries: Iterable<[string | number, unknown]> = Array.isArray(value)
      ? value.entries()
      : Object.entries(value);
    for (const [key, item] of entries) collect(tree.items, item, [...path, key], found);
    return;
  }
  for (const [key, field] of tree.fields ?? []) {
    const child = (value as Record<string, unknown>)[key];
    if (child !== undefined) collect(field, child, [...path, key], found);
  }
}

/**
 * Findings for the marked fields that a value sets: each place of one that is not implemented, the first place of
 * one without effect.
 */
export function setMarks(schema: z.ZodType, value: unknown): Finding[] {
  const found: Found = { list: [], said: new Set() };
  const tree = compile(schema);
  if (tree) collect(tree, value, [], found);
  return found.list;
}
