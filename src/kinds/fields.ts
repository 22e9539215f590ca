// The fields of a kind as a flat list, read off its schema: for the pages in docs/kinds/ (kind-pages.ts), and for
// whoever wants to know what fairlead does with a field.
import type { z } from 'zod';
import { type FieldStatus, fieldStatus } from './field.js';
import { type KindEntry, kindTable } from './kind-table.js';
import { typeName, valueStatus } from './schema.js';
import { identityOf, isOptional, partsOf, required } from './walk.js';

/** One field of a kind. */
export interface Field {
  /** e.g. `spec.http[].match[].headers{}.exact`: `[]` is any entry of a list, `{}` any key of a map. */
  path: string;
  /** e.g. `string`, `duration`, `list of ports`, `object`. */
  type: string;
  status: FieldStatus['status'] | 'implemented';
  /** What it becomes in Envoy and, where it is not in use, why; empty where its name says it all. */
  description: string;
  required: boolean;
  /** Set when the same message is listed further up: its fields are not repeated. */
  sameAs?: string;
}

interface Walk {
  fields: Field[];
  /** Messages already listed, by identity and inherited status, with the path of the first. */
  seen: Map<object, Map<string, string>>;
}

function typeOf(schema: z.ZodType): string {
  const inner = required(schema);
  const name = typeName(inner);
  if (name !== undefined) return name;
  const parts = partsOf(inner);
  if (parts.type === 'list') return `list of ${typeOf(parts.items)}s`;
  if (parts.type === 'map') return `map of ${typeOf(parts.items)}s`;
  if (parts.type === 'enum') return parts.values.join(', ');
  return parts.type === 'object' ? 'object' : 'any';
}

function describe(schema: z.ZodType, status: FieldStatus | undefined): string {
  const inner = required(schema);
  const text = inner.description ?? '';
  if (status?.reason !== undefined)
    return text === '' ? status.reason : `${text}. ${status.reason}`;
  const values = valueStatus(inner);
  if (!values) return text;
  const pending = Object.keys(values).join(', ');
  const reason = Object.values(values)[0]?.reason;
  return `${text}; not implemented: ${pending}${reason === undefined ? '' : `. ${reason}`}`;
}

/** The message behind lists and maps, and how deep it stands in them. */
function messageIn(schema: z.ZodType): { message?: z.ZodType; suffix: string } {
  let current = required(schema);
  let suffix = '';
  for (;;) {
    const parts = partsOf(current);
    if (parts.type === 'object') return { message: current, suffix };
    if (parts.type !== 'list' && parts.type !== 'map') return { suffix };
    suffix += parts.type === 'list' ? '[]' : '{}';
    current = required(parts.items);
  }
}

function visitField(walk: Walk, path: string, schema: z.ZodType, outer?: FieldStatus): void {
  const own = fieldStatus(required(schema));
  const status = outer ?? own;
  const field: Field = {
    path,
    type: typeOf(schema),
    status: status?.status ?? 'implemented',
    description: describe(schema, own),
    required: !isOptional(schema),
  };
  walk.fields.push(field);
  const { message, suffix } = messageIn(schema);
  if (!message) return;
  const byStatus = walk.seen.get(identityOf(message)) ?? new Map<string, string>();
  const before = byStatus.get(field.status);
  if (before !== undefined) {
    field.sameAs = before;
    return;
  }
  byStatus.set(field.status, path + suffix);
  walk.seen.set(identityOf(message), byStatus);
  visitMessage(walk, path + suffix, message, status);
}

function visitMessage(walk: Walk, path: string, message: z.ZodType, outer?: FieldStatus): void {
  const parts = partsOf(message);
  if (parts.type !== 'object') return;
  for (const [name, schema] of Object.entries(parts.fields)) {
    visitField(walk, path === '' ? name : `${path}.${name}`, schema, outer);
  }
}

/** All fields of a kind's spec, in the order of its schema; none for a kind known by name only. */
export function fieldsOf(entry: KindEntry): Field[] {
  const walk: Walk = { fields: [], seen: new Map() };
  if (entry.schema) visitMessage(walk, entry.specAt === 'spec' ? 'spec' : '', entry.schema);
  return walk.fields;
}

/** The kinds that have a schema, and so a page. */
export function kindsWithFields(): readonly KindEntry[] {
  return kindTable.filter((entry) => entry.schema !== undefined);
}
