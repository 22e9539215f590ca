// Fields that a schema does not have, where they are no reason to refuse the whole: a MeshConfig outlives the
// releases of Istio, which lose and gain fields, and Istio takes no notice of those that it does not know.
import type { z } from 'zod';
import type { Finding } from './finding.js';
import type { FieldPath } from './problem.js';
import { unknownField } from './schema-problems.js';
import { partsOf } from './walk.js';

/** Deeper than any resource; what lies below is left as it is. */
const depthMax = 100;

/** The value without such fields, and a warning for each; the very same object when there are none. */
export function withoutUnknownFields(
  value: unknown,
  schema: z.ZodType,
): { value: unknown; findings: Finding[] } {
  const findings: Finding[] = [];
  return { value: known(value, schema, [], findings), findings };
}

function known(value: unknown, schema: z.ZodType, path: FieldPath, findings: Finding[]): unknown {
  if (value === null || typeof value !== 'object' || path.length > depthMax) return value;
  const parts = partsOf(schema);
  if (Array.isArray(value)) {
    if (parts.type !== 'list') return value;
    const items = value.map((item, i) => known(item, parts.items, [...path, i], findings));
    return items.some((item, i) => item !== value[i]) ? items : value;
  }
  if (parts.type !== 'map' && parts.type !== 'object') return value;
  const entries = Object.entries(value).flatMap(([key, item]): [string, unknown][] => {
    if (parts.type !== 'object') return [[key, known(item, parts.items, [...path, key], findings)]];
    const field = Object.hasOwn(parts.fields, key) ? parts.fields[key] : undefined;
    if (field) return [[key, known(item, field, [...path, key], findings)]];
    const { message, ...finding } = unknownField(schema, path, key);
    findings.push({ ...finding, severity: 'warning', message: `${message}; it is not used` });
    return [];
  });
  const same =
    entries.length === Object.keys(value).length &&
    entries.every(([key, item]) => (value as Record<string, unknown>)[key] === item);
  return same ? value : Object.fromEntries(entries);
}
