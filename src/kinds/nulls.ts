// Null as Kubernetes and protobuf JSON have it: a field set to null is a field not given. An entry of a map is not a
// field: `headers: {x-test: }` asks for something, and must not become a match of everything.
import type { z } from 'zod';
import { partsOf } from './walk.js';

/** Deeper than any resource; what lies below is left as it is and refused by the schema or kept as it stands. */
const depthMax = 100;

/**
 * The value without fields that are null; the very same object when there are none. Lists keep their nulls, and so do
 * maps where the schema says that it is one; the schema then refuses them.
 */
export function withoutNulls(value: unknown, schema?: z.ZodType): unknown {
  return hasNull(value, 0) ? removed(value, schema, 0) : value;
}

// Most documents have none, and this is told without the schema.
function hasNull(value: unknown, depth: number): boolean {
  if (value === null) return true;
  if (typeof value !== 'object' || depth > depthMax) return false;
  if (Array.isArray(value)) return value.some((item) => hasNull(item, depth + 1));
  for (const key in value) {
    if (hasNull((value as Record<string, unknown>)[key], depth + 1)) return true;
  }
  return false;
}

function removed(value: unknown, schema: z.ZodType | undefined, depth: number): unknown {
  if (value === null || typeof value !== 'object' || depth > depthMax) return value;
  const parts = schema && partsOf(schema);
  if (Array.isArray(value)) {
    const items = parts?.type === 'list' ? parts.items : undefined;
    let copy: unknown[] | undefined;
    for (const [index, item] of value.entries()) {
      const kept = removed(item, items, depth + 1);
      if (kept === item) continue;
      copy ??= [...value];
      copy[index] = kept;
    }
    return copy ?? value;
  }
  const changes: [string, unknown][] = [];
  for (const [key, item] of Object.entries(value)) {
    if (item === null && parts?.type === 'map') continue;
    const kept = item === null ? undefined : removed(item, schemaOf(parts, key), depth + 1);
    if (kept !== item) changes.push([key, kept]);
  }
  if (changes.length === 0) return value;
  const copy: Record<string, unknown> = { ...value };
  for (const [key, kept] of changes) {
    if (kept === undefined) delete copy[key];
    else copy[key] = kept;
  }
  return copy;
}

function schemaOf(parts: ReturnType<typeof partsOf> | undefined, key: string) {
  if (parts?.type === 'map') return parts.items;
  return parts?.type === 'object' && Object.hasOwn(parts.fields, key)
    ? parts.fields[key]
    : undefined;
}
