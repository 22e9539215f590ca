// The only codec of Envoy's messages: bytes, ProtoJSON, and a check for fields that no proto has. Messages have the
// shape that resource.ts describes. Nothing here knows what a resource is for, and nothing is remembered
// (snapshot/encode.ts does that).
import { readFileSync } from 'node:fs';
import protojson from 'protobufjs/ext/protojson.js';
import protobuf from 'protobufjs/light.js';
import { encodePlain } from './encode-plain.js';
import { type EnvoyMessage, MessageOnDemand } from './resource.js';
import { verifyMessage } from './verify.js';

let loaded: protobuf.Root | undefined;
/** Whether the types that only users name are in it, too. */
let extended = false;

/** All known protos. Read at the first use: about 50 ms, which a command that encodes nothing need not pay. */
export function protoRoot(): protobuf.Root {
  loaded ??= loadRoot();
  return loaded;
}

/**
 * The message type of a type URL (`type.googleapis.com/a.b.C`, or just `a.b.C`); undefined when it is not known. The
 * first one that translation itself never makes brings all extensions in: 250 ms and 8 MB, once.
 */
export function findType(typeUrl: string): protobuf.Type | undefined {
  const name = typeUrl.slice(typeUrl.lastIndexOf('/') + 1);
  if (name === '') return undefined;
  const found = lookup(name);
  if (found !== undefined || extended || !/^(envoy|udpa|xds)\./.test(name)) return found;
  extended = true;
  const root = protoRoot();
  addNested(root, readGenerated('extensions.json').nested ?? {});
  root.resolveAll();
  sortMaps(root);
  return lookup(name);
}

function lookup(name: string): protobuf.Type | undefined {
  const found = protoRoot().lookup(`.${name}`);
  return found instanceof protobuf.Type ? found : undefined;
}

/** Whether any known type is of this package (`envoy.config.core.v3`): a type that it lacks is a mistake. */
export function hasPackage(name: string): boolean {
  const found = protoRoot().lookup(`.${name}`);
  return found instanceof protobuf.Namespace && found.nestedArray.some((each) => isType(each));
}

function isType(object: protobuf.ReflectionObject): boolean {
  return object instanceof protobuf.Type || object instanceof protobuf.Enum;
}

const required = new Map<string, protobuf.Type>();

/** As findType, but an unknown type is an error: of the program, as types come from resource.ts. */
export function requireType(typeUrl: string): protobuf.Type {
  const known = required.get(typeUrl);
  if (known !== undefined) return known;
  const type = findType(typeUrl);
  if (type === undefined) throw new Error(`no proto is loaded for ${typeUrl}`);
  required.set(typeUrl, type);
  return type;
}

/**
 * The bytes of a message. Equal content gives equal bytes: fields go in the order of their numbers and maps in the
 * order of their keys, also inside an Any. Unknown fields are dropped without a word; `verify` finds them.
 */
export function encode(typeUrl: string, message: EnvoyMessage): Buffer {
  return encodePlain(requireType(typeUrl), message, lookup);
}

/** The bytes of a message as a field of another one: the tag of the field and the length before them. */
export function encodeAsField(typeUrl: string, field: number, message: EnvoyMessage): Buffer {
  return encodePlain(requireType(typeUrl), message, lookup, field);
}

/**
 * The message in bytes: enums as numbers, 64-bit numbers as Long objects (Number() reads them), an Any as type_url
 * and value. Throws on bytes that are no message of that type.
 */
export function decode<Message = object>(typeUrl: string, bytes: Uint8Array): Message {
  return requireType(typeUrl).decode(bytes) as Message;
}

/**
 * Canonical ProtoJSON of a message or of its bytes: lowerCamelCase names, durations as `1.500s`, wrappers as bare
 * values, every Any of a known type expanded. An Any of an unknown type is kept as `{'@type', value: base64}`.
 */
export function toJson(typeUrl: string, message: Uint8Array | EnvoyMessage): unknown {
  const type = requireType(typeUrl);
  const decoded =
    message instanceof Uint8Array ? type.decode(message) : type.fromObject(made(message));
  return protojson.toJson(type, decoded);
}

/** A message from ProtoJSON (camelCase or proto names). Throws on unknown fields and bad values. */
export function fromJson<Message = object>(typeUrl: string, json: unknown): Message {
  return protojson.fromJson(requireType(typeUrl), json) as Message;
}

/** Bytes from ProtoJSON; the same errors as fromJson. */
export function encodeJson(typeUrl: string, json: unknown): Buffer {
  const type = requireType(typeUrl);
  return asBuffer(type.encode(protojson.fromJson(type, json)).finish());
}

/**
 * What is wrong with a message that translation made: unknown fields, unknown enum names, values of a wrong sort,
 * two fields of one oneof. One line each, with the path. Looks into every Any. Empty when all is well.
 */
export function verify(typeUrl: string, message: EnvoyMessage): string[] {
  return verifyMessage(requireType(typeUrl), made(message), findType);
}

const made = (message: EnvoyMessage) =>
  message instanceof MessageOnDemand ? message.make() : message;

function loadRoot(): protobuf.Root {
  const root = protobuf.Root.fromJSON(readGenerated('root.json'));
  root.resolveAll();
  sortMaps(root);
  return root;
}

function readGenerated(file: string): protobuf.INamespace {
  const url = new URL(`./gen/${file}`, import.meta.url);
  return JSON.parse(readFileSync(url, 'utf8')) as protobuf.INamespace;
}

/** Adds types to the packages that are there. What is there stays: messages may already have been made of it. */
function addNested(into: protobuf.NamespaceBase, nested: Record<string, unknown>): void {
  for (const [name, json] of Object.entries(nested)) {
    const known = into.get(name);
    const inner = (json as protobuf.INamespace).nested;
    if (known instanceof protobuf.Namespace && inner) addNested(known, inner);
    else into.addJSON({ [name]: json as protobuf.AnyNestedObject });
  }
}

/** Makes every type with a map field write it in the order of its keys, whatever the order in the object. */
function sortMaps(namespace: protobuf.NamespaceBase): void {
  for (const nested of namespace.nestedArray) {
    if (nested instanceof protobuf.Type) sortMapsOf(nested);
    if (nested instanceof protobuf.Namespace) sortMaps(nested);
  }
}

const sorted = new WeakSet<protobuf.Type>();

function sortMapsOf(type: protobuf.Type): void {
  const maps = type.fieldsArray.filter((field) => field.map).map((field) => field.name);
  if (maps.length === 0 || sorted.has(type)) return;
  sorted.add(type);
  // The generated encoder is made at first use by setup(); callers of nested types look `encode` up at each call.
  const setup = type.setup;
  type.setup = () => {
    setup.call(type);
    const encodeUnsorted = type.encode;
    type.encode = (message, ...rest: [protobuf.Writer?]) =>
      encodeUnsorted.call(type, withSortedMaps(message as Fields, maps), ...rest);
    return type;
  };
}

type Fields = Record<string, Record<string, unknown> | null | undefined>;

function withSortedMaps(message: Fields, maps: readonly string[]): Fields {
  let sorted: Fields | undefined;
  for (const field of maps) {
    const map = message[field];
    if (map === null || map === undefined) continue;
    const keys = Object.keys(map);
    if (keys.every((key, i) => i === 0 || keys[i - 1]! < key)) continue;
    sorted ??= Object.assign(Object.create(Object.getPrototypeOf(message)) as Fields, message);
    sorted[field] = Object.fromEntries(keys.sort().map((key) => [key, map[key]]));
  }
  return sorted ?? message;
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
}
