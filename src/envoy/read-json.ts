// ProtoJSON that a user wrote -> a message in the shape of resource.ts, with every mistake at its place. For what
// translation makes itself there is the codec's `verify`; rules beyond the proto schema are Envoy's to apply.
import protojson from 'protobufjs/ext/protojson.js';
import protobuf from 'protobufjs/light.js';
import { parseDurationMs } from '../lib/duration.js';
import { findType, hasPackage, requireType } from './codec.js';
import type { EnvoyMessage } from './resource.js';

/** What is wrong at a place; `path` holds the keys as they stand in the JSON. */
export interface JsonMistake {
  kind: 'unknown-field' | 'wrong-value' | 'unknown-type';
  path: readonly (string | number)[];
  message: string;
  /** The names that could have been meant. */
  candidates: readonly string[];
}

/** A message as far as it could be read. Fields with their proto's default value are left out, as protobuf does. */
export interface ReadMessage {
  message: EnvoyMessage;
  mistakes: readonly JsonMistake[];
  /**
   * Paths of scalars with the default value, which on the wire are the same as absent ones. Not those in lists and maps:
   * their items are never merged with others.
   */
  defaults: readonly (readonly (string | number)[])[];
}

/** The Any of which an extension may be made that our protos lack: Envoy reads the JSON itself. */
export const TYPED_STRUCT = 'type.googleapis.com/xds.type.v3.TypedStruct';

type Path = readonly (string | number)[];
type Json = Readonly<Record<string, unknown>>;

interface Reading {
  mistakes: JsonMistake[];
  defaults: Path[];
}

/**
 * Reads a message. An Any of a package that no proto has becomes a TypedStruct, with a mistake of kind
 * `unknown-type` that need not be one: the extension may be newer than our protos.
 */
export function readJson(typeUrl: string, json: unknown): ReadMessage {
  const reading: Reading = { mistakes: [], defaults: [] };
  const message = readMessage(requireType(typeUrl), json, [], reading);
  return { message: message ?? {}, mistakes: reading.mistakes, defaults: reading.defaults };
}

function readMessage(
  type: protobuf.Type,
  json: unknown,
  path: Path,
  reading: Reading,
): Record<string, unknown> | undefined {
  if (type.fullName === '.google.protobuf.Any') return readAny(json, path, reading);
  if (hasJsonForm(type)) return attempt(() => fromJsonForm(type, json), path, reading);
  if (!isObject(json)) {
    wrong(reading, path, `expected ${type.name}, a mapping, not ${brief(json)}`);
    return undefined;
  }
  const message: Record<string, unknown> = {};
  const oneofs = new Map<string, string>();
  for (const [key, value] of Object.entries(json)) {
    const field = fieldsOf(type).get(key);
    const at = [...path, key];
    if (field === undefined) {
      const what = `${type.name} has no field ${key.slice(0, 60)}`;
      const candidates = type.fieldsArray.map(({ name }) => name);
      reading.mistakes.push({ kind: 'unknown-field', path: at, message: what, candidates });
      continue;
    }
    if (value === null || value === undefined || isNoConfig(type, value)) continue;
    const other = field.partOf ? oneofs.get(field.partOf.name) : undefined;
    if (other !== undefined) wrong(reading, at, `${key} and ${other} exclude each other`);
    if (field.partOf) oneofs.set(field.partOf.name, key);
    const read = readField(field, value, at, reading);
    if (read !== undefined) message[field.name] = read;
  }
  return message;
}

/** Of a filter that a route disables: Envoy's own example has `config: {}` there, an Any of nothing. */
function isNoConfig({ fullName }: protobuf.Type, value: unknown): boolean {
  if (fullName !== '.envoy.config.route.v3.FilterConfig') return false;
  return isObject(value) && Object.keys(value).length === 0;
}

function readField(field: protobuf.Field, value: unknown, path: Path, reading: Reading): unknown {
  if (field.map) {
    if (!isObject(value)) return wrong(reading, path, `expected a mapping, not ${brief(value)}`);
    const entries = Object.entries(value).map(([key, entry]): [string, unknown] => [
      key,
      readSingle(field, entry, [...path, key], itemsOf(reading)),
    ]);
    return entries.length === 0 ? undefined : Object.fromEntries(entries);
  }
  if (!field.repeated) return readSingle(field, value, path, reading);
  if (!Array.isArray(value)) return wrong(reading, path, `expected a list, not ${brief(value)}`);
  const items = value.map((item, i) => readSingle(field, item, [...path, i], itemsOf(reading)));
  return items.length === 0 ? undefined : items;
}

function itemsOf({ mistakes }: Reading): Reading {
  return { mistakes, defaults: [] };
}

/** The value of a field, of one item of a list, or of one entry of a map. */
function readSingle(field: protobuf.Field, value: unknown, path: Path, reading: Reading): unknown {
  if (field.resolvedType instanceof protobuf.Type) {
    return readMessage(field.resolvedType, value, path, reading);
  }
  // The JSON forms of scalars and enums are protobuf's to know: read as the only field of a message.
  const single = field.map ? { k: value } : field.repeated ? [value] : value;
  const owner = field.parent as protobuf.Type;
  const message = attempt(() => readPlain(owner, { [field.name]: single }), path, reading);
  if (message === undefined) return undefined;
  const read = message[field.name];
  if (field.map) return (read as Json | undefined)?.['k'];
  if (field.repeated) return (read as unknown[] | undefined)?.[0];
  if (field.partOf || !isDefault(field, read)) return read;
  reading.defaults.push(path);
  return undefined;
}

/** In proto3 these are not written, so to merge them changes nothing. */
function isDefault({ type, resolvedType }: protobuf.Field, value: unknown): boolean {
  if (value === undefined) return true;
  if (type === 'string') return value === '';
  if (resolvedType instanceof protobuf.Enum) return resolvedType.values[value as string] === 0;
  if (value instanceof Uint8Array) return value.length === 0;
  return value === false || Number(value) === 0;
}

function readPlain(type: protobuf.Type, json: unknown, longs = String): Record<string, unknown> {
  return type.toObject(protojson.fromJson(type, json), { enums: String, longs });
}

function fromJsonForm(type: protobuf.Type, json: unknown): Record<string, unknown> {
  const isTime = /Duration$|Timestamp$/.test(type.fullName);
  const value = type.name === 'Duration' && typeof json === 'string' ? inSeconds(json) : json;
  const message = readPlain(type, value, isTime ? (Number as unknown as typeof String) : String);
  const field = type.fields['value'];
  if (field === undefined || 'value' in message) return message;
  // A wrapper says its default value, too: that is what it is for.
  return { value: field.resolve().typeDefault };
}

/** `500ms` and `1m30s`, which Istio takes in patches, in the one form of ProtoJSON: seconds. */
function inSeconds(text: string): string {
  const ms = /^-?\d+(?:\.\d+)?s$/.test(text) ? undefined : parseDurationMs(text);
  return ms === undefined ? text : `${(ms / 1000).toFixed(9)}s`;
}

function readAny(json: unknown, path: Path, reading: Reading): Record<string, unknown> | undefined {
  if (!isObject(json)) return wrong(reading, path, `expected a mapping with @type`);
  const { '@type': typeUrl, ...fields } = json;
  if (typeof typeUrl !== 'string' || typeUrl === '') {
    return wrong(reading, path, '@type must be given: type.googleapis.com/ and the name of a type');
  }
  const name = typeUrl.slice(typeUrl.lastIndexOf('/') + 1);
  const type = findType(typeUrl);
  if (type === undefined) return readUnknown(name, { json: fields, path, reading });
  const url = `type.googleapis.com/${name}`;
  if (!hasJsonForm(type)) return { '@type': url, ...readMessage(type, fields, path, reading) };
  const { value } = fields;
  return { '@type': url, ...readMessage(type, value, [...path, 'value'], reading) };
}

function readUnknown(
  name: string,
  { json, path, reading }: { json: Json; path: Path; reading: Reading },
): Record<string, unknown> | undefined {
  const at = [...path, '@type'];
  const dot = name.lastIndexOf('.');
  if (/\.v2(alpha\d*)?\./.test(name) && name.startsWith('envoy.')) {
    return wrong(reading, at, `${name} is of Envoy's API v2, which Envoy has no more`);
  }
  if (dot < 0 || hasPackage(name.slice(0, dot))) {
    return wrong(reading, at, `there is no type ${name.slice(0, 120)}`);
  }
  const message = `no proto here knows ${name.slice(0, 120)}; Envoy itself is left to read it`;
  reading.mistakes.push({ kind: 'unknown-type', path: at, message, candidates: [] });
  const value = readPlain(requireType('google.protobuf.Struct'), json);
  return { '@type': TYPED_STRUCT, type_url: `type.googleapis.com/${name}`, value };
}

/** Messages that ProtoJSON writes as something else than their fields: durations, wrappers, Struct and its like. */
function hasJsonForm({ fullName }: protobuf.Type): boolean {
  return /^\.google\.protobuf\.(Duration|Timestamp|FieldMask|Struct|Value|ListValue|\w+Value)$/.test(
    fullName,
  );
}

const fieldIndex = new WeakMap<protobuf.Type, ReadonlyMap<string, protobuf.Field>>();

/** By proto name and by JSON name. */
function fieldsOf(type: protobuf.Type): ReadonlyMap<string, protobuf.Field> {
  const known = fieldIndex.get(type);
  if (known !== undefined) return known;
  const index = new Map<string, protobuf.Field>();
  for (const each of type.fieldsArray) {
    const field = each.resolve();
    index.set(field.name, field);
    index.set(protobuf.util.camelCase(field.name), field);
  }
  fieldIndex.set(type, index);
  return index;
}

function attempt(
  read: () => object,
  path: Path,
  reading: Reading,
): Record<string, unknown> | undefined {
  try {
    return read() as Record<string, unknown>;
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error);
    // `.envoy.….Cluster.lb_policy: unknown enum value: "X"`: the place is said otherwise.
    return wrong(reading, path, text.replace(/^\.?[\w.]+: /, '').slice(0, 200));
  }
}

function wrong(reading: Reading, path: Path, message: string): undefined {
  reading.mistakes.push({ kind: 'wrong-value', path, message, candidates: [] });
  return undefined;
}

function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function brief(value: unknown): string {
  const text = JSON.stringify(value) ?? String(value);
  return text.length > 60 ? `${text.slice(0, 60)}…` : text;
}
