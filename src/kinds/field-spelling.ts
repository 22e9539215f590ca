// Fields of Istio's API under their names in protobuf (`prefix_rewrite`), which its documentation uses here and there
// and protobuf JSON takes like the ones in camelCase. Kubernetes' own kinds have no such names.
import type { z } from 'zod';
import type { Finding } from './finding.js';
import type { FieldPath } from './problem.js';
import { partsOf } from './walk.js';

/** Deeper than any resource; what lies below is left as it is. */
const depthMax = 100;

/**
 * The value with such names replaced, and a warning for each. The very same object when there are none. A field that
 * is given in both spellings stays, for the schema to refuse.
 */
export function camelCaseFields(
  value: unknown,
  schema: z.ZodType,
): { value: unknown; findings: Finding[] } {
  const findings: Finding[] = [];
  if (!hasUnderscore(value, 0)) return { value, findings };
  return { value: renamed(value, schema, [], findings), findings };
}

// Most documents have none, and this is told without the schema.
function hasUnderscore(value: unknown, depth: number): boolean {
  if (value === null || typeof value !== 'object' || depth > depthMax) return false;
  if (Array.isArray(value)) return value.some((item) => hasUnderscore(item, depth + 1));
  for (const key in value) {
    if (key.includes('_')) return true;
    if (hasUnderscore((value as Record<string, unknown>)[key], depth + 1)) return true;
  }
  return false;
}

function renamed(value: unknown, schema: z.ZodType, path: FieldPath, findings: Finding[]): unknown {
  if (value === null || typeof value !== 'object' || path.length > depthMax) return value;
  const parts = partsOf(schema);
  if (Array.isArray(value)) {
    if (parts.type !== 'list') return value;
    const items = value.map((item, i) => renamed(item, parts.items, [...path, i], findings));
    return items.some((item, i) => item !== value[i]) ? items : value;
  }
  if (parts.type !== 'map' && parts.type !== 'object') return value;
  let changed = false;
  const entries = Object.entries(value).map(([key, item]): [string, unknown] => {
    const name = parts.type === 'object' ? knownName(key, value, parts.fields) : key;
    if (name !== key) findings.push(otherSpelling([...path, key], key, name));
    const inner = parts.type === 'object' ? own(parts.fields, name) : parts.items;
    const next = inner === undefined ? item : renamed(item, inner, [...path, key], findings);
    changed ||= name !== key || next !== item;
    return [name, next];
  });
  return changed ? Object.fromEntries(entries) : value;
}

function knownName(key: string, owner: object, fields: Readonly<Record<string, z.ZodType>>) {
  if (Object.hasOwn(fields, key) || !key.includes('_')) return key;
  const name = key.replace(/_([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());
  return Object.hasOwn(fields, name) && !Object.hasOwn(owner, name) ? name : key;
}

function otherSpelling(path: FieldPath, key: string, name: string): Finding {
  const message = `${key} is read as ${name}; Kubernetes knows that spelling only`;
  return { code: 'unknown-field', severity: 'warning', message, path };
}

/** Only the schema's own fields: a document may have a key such as `constructor`. */
function own(fields: Readonly<Record<string, z.ZodType>>, name: string): z.ZodType | undefined {
  return Object.hasOwn(fields, name) ? fields[name] : undefined;
}
