// JSON values as google.protobuf.Struct, the form of metadata in Envoy's messages.
import type { Struct } from '../envoy/gen/types/google/protobuf/Struct.js';
import type { Value } from '../envoy/gen/types/google/protobuf/Value.js';

/** What translation writes into metadata. */
export type Json = string | number | boolean | readonly Json[] | { readonly [key: string]: Json };

/** A JSON object as a Struct. */
export function struct(object: { readonly [key: string]: Json }): Struct {
  const fields: Record<string, Value> = {};
  for (const key of Object.keys(object)) fields[key] = toValue(object[key]!);
  return { fields };
}

/** A JSON value as a Value. */
export function toValue(json: Json): Value {
  if (typeof json === 'string') return { stringValue: json };
  if (typeof json === 'number') return { numberValue: json };
  if (typeof json === 'boolean') return { boolValue: json };
  if (isList(json)) return { listValue: { values: json.map(toValue) } };
  return { structValue: struct(json) };
}

function isList(json: readonly Json[] | { readonly [key: string]: Json }): json is readonly Json[] {
  return Array.isArray(json);
}
