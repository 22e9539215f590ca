// The building blocks of the kinds' schemas: messages as Istio's and Kubernetes' JSON has them (every field
// optional unless named as required, unknown keys refused) and enumerations. Value forms are in values.ts,
// marks of fields in field.ts.
import { z } from 'zod';
import { type FieldStatus, notImplementedStatus } from './field.js';

type Shape = Readonly<Record<string, z.ZodType>>;

/** The schema of a message: strict, its fields optional but for those named in `R`. */
export type Message<S extends Shape, R extends keyof S> = z.ZodObject<
  { [K in keyof S]: K extends R ? S[K] : z.ZodOptional<S[K]> },
  z.core.$strict
>;

/** A message: a mapping with these keys only. Keys named after `shape` must be given; nothing is defaulted. */
export function message<S extends Shape, R extends keyof S & string = never>(
  shape: S,
  ...required: readonly R[]
): Message<S, R> {
  const fields: Record<string, z.ZodType> = {};
  for (const [key, schema] of Object.entries(shape)) {
    fields[key] = (required as readonly string[]).includes(key) ? schema : schema.optional();
  }
  return z.strictObject(fields) as unknown as Message<S, R>;
}

/** A sequence. */
export function list<S extends z.ZodType>(items: S): z.ZodArray<S> {
  return z.array(items);
}

/** A mapping with keys of the user's choice. */
export function map<S extends z.ZodType>(values: S): z.ZodRecord<z.ZodString, S> {
  return z.record(z.string(), values);
}

const typeNames = z.registry<{ name: string }>();
const valueMarks = z.registry<{ values: Readonly<Record<string, FieldStatus>> }>();

/** Gives a schema the name that the pages in docs/kinds/ show as its type, e.g. `duration`. */
export function named<S extends z.ZodType>(name: string, schema: S): S {
  typeNames.add(schema, { name });
  return schema;
}

/** The name given with `named`, if any. */
export function typeName(schema: z.ZodType): string | undefined {
  return typeNames.get(schema)?.name;
}

/**
 * An enumeration by name, as protobuf JSON writes it. `pending` names the values not acted on yet, `reason` says why
 * in a sentence.
 */
export function enumeration<const V extends readonly [string, ...string[]]>(
  values: V,
  pending: readonly V[number][] = [],
  reason?: string,
): z.ZodEnum<{ [K in V[number]]: K }> {
  const schema = z.enum(values) as unknown as z.ZodEnum<{ [K in V[number]]: K }>;
  if (pending.length > 0) {
    const status = notImplementedStatus(reason);
    const marks = Object.fromEntries(pending.map((value) => [value, status]));
    valueMarks.add(schema, { values: marks });
  }
  return schema;
}

/** The marks of single values of an enumeration, if it has any. */
export function valueStatus(schema: z.ZodType): Readonly<Record<string, FieldStatus>> | undefined {
  return valueMarks.get(schema)?.values;
}
