// Looks into zod schemas: their parts, by one small description. The only place that knows zod's definitions, used
// for problems (what stands at a path), marks (what a user set) and the pages in docs/kinds/.
import type { z } from 'zod';
import type { FieldPath } from './problem.js';

/** What a schema is made of. */
export type SchemaParts =
  | { type: 'object'; fields: Readonly<Record<string, z.ZodType>> }
  | { type: 'list' | 'map'; items: z.ZodType }
  | { type: 'enum'; values: readonly string[] }
  | { type: 'value' };

interface Definition {
  type: string;
  innerType?: z.ZodType;
  shape?: Record<string, z.ZodType>;
  element?: z.ZodType;
  valueType?: z.ZodType;
  entries?: Record<string, string>;
}

function definition(schema: z.ZodType): Definition {
  return schema._zod.def as unknown as Definition;
}

/** The schema within `optional()`. */
export function required(schema: z.ZodType): z.ZodType {
  let current = schema;
  for (;;) {
    const def = definition(current);
    if (def.type !== 'optional' || def.innerType === undefined) return current;
    current = def.innerType;
  }
}

/** True for a field that may be left out. */
export function isOptional(schema: z.ZodType): boolean {
  return definition(schema).type === 'optional';
}

/** The parts of a schema. */
export function partsOf(schema: z.ZodType): SchemaParts {
  const def = definition(required(schema));
  if (def.type === 'object' && def.shape) return { type: 'object', fields: def.shape };
  if (def.type === 'array' && def.element) return { type: 'list', items: def.element };
  if (def.type === 'record' && def.valueType) return { type: 'map', items: def.valueType };
  if (def.type === 'enum' && def.entries) {
    return { type: 'enum', values: Object.values(def.entries) };
  }
  return { type: 'value' };
}

/** What two schemas share that differ in description and marks only. */
export function identityOf(schema: z.ZodType): object {
  return required(schema)._zod.def;
}

/** The schema of what stands at a path, if the schema describes it. */
export function schemaAt(schema: z.ZodType, path: FieldPath): z.ZodType | undefined {
  let current: z.ZodType | undefined = schema;
  for (const step of path) {
    if (current === undefined) return undefined;
    const parts = partsOf(current);
    if (parts.type === 'object') {
      current = Object.hasOwn(parts.fields, step) ? parts.fields[step] : undefined;
    } else if (parts.type === 'list' || parts.type === 'map') {
      current = parts.items;
    } else {
      current = undefined;
    }
  }
  return current;
}

/** The value at a path of a plain document; undefined when there is none. */
export function valueAt(value: unknown, path: FieldPath): unknown {
  let current = value;
  for (const step of path) {
    if (current === null || typeof current !== 'object' || !Object.hasOwn(current, step)) {
      return undefined;
    }
    current = (current as Record<string | number, unknown>)[step];
  }
  return current;
}
