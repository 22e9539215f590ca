// Plain objects straight to bytes. protobufjs first makes a message object of its own of each, which is most of the
// work of encoding a mesh; the bytes are the same. What plain objects look like is in resource.ts.
import protobuf from 'protobufjs/light.js';
import { PlainWriter } from './plain-writer.js';
import { MessageOnDemand } from './resource.js';

/** Writes a value that is there, with its tag. */
type Put = (writer: PlainWriter, value: unknown) => void;

interface FieldPlan {
  readonly id: number;
  readonly put: Put;
}

interface TypePlan {
  readonly isAny: boolean;
  readonly fields: ReadonlyMap<string, FieldPlan>;
}

/** Finds a type by its name without a dot before it. */
export type Lookup = (name: string) => protobuf.Type | undefined;

type Fields = Record<string, unknown>;

/**
 * The bytes of a message of the type; fields that the type does not have are left out. `field`: with the tag of that
 * field and the length before them.
 */
export function encodePlain(
  type: protobuf.Type,
  message: object,
  lookup: Lookup,
  field?: number,
): Buffer {
  // Where the one before threw.
  top = 0;
  writer.begin();
  if (field === undefined) writeTop(type, message, lookup);
  else {
    writer.uint32((field << 3) | 2);
    const start = writer.startDelimited();
    writeTop(type, message, lookup);
    writer.endDelimited(start);
  }
  return writer.finish();
}

function writeTop(type: protobuf.Type, message: object, lookup: Lookup): void {
  if (message instanceof MessageOnDemand) message.write(writer);
  else write(writer, planOf(type, lookup), message as Fields, lookup);
}

/** Nothing that is called while it writes encodes anything itself. */
const writer = new PlainWriter();

const plans = new WeakMap<protobuf.Type, TypePlan>();

function planOf(type: protobuf.Type, lookup: Lookup): TypePlan {
  const known = plans.get(type);
  if (known !== undefined) return known;
  const fields = new Map<string, FieldPlan>();
  const plan = { isAny: type.fullName === '.google.protobuf.Any', fields };
  // Before its fields: types contain themselves.
  plans.set(type, plan);
  for (const field of type.fieldsArray) {
    const { id, name } = field.resolve();
    fields.set(name, { id, put: putOf(field, lookup) });
  }
  return plan;
}

/** Fields and values that are being written, those of a message in the order of their numbers; shared, as it recurses. */
const fields: FieldPlan[] = [];
const values: unknown[] = [];
let top = 0;

function write(writer: PlainWriter, plan: TypePlan, message: Fields, lookup: Lookup): void {
  if (plan.isAny && writeAny(writer, message, lookup)) return;
  const start = top;
  for (const key of Object.keys(message)) {
    const value = message[key];
    if (value === null || value === undefined) continue;
    const field = plan.fields.get(key);
    if (field !== undefined) push(start, field, value);
  }
  const end = top;
  for (let i = start; i < end; i++) {
    fields[i]!.put(writer, values[i]);
    values[i] = undefined;
  }
  top = start;
  // A decoded message keeps what its type does not have.
  if (message instanceof protobuf.Message) writeUnknown(writer, message);
}

/** Where it belongs among those from `start` on; nearly always at the end. */
function push(start: number, field: FieldPlan, value: unknown): void {
  let at = top++;
  for (; at > start && fields[at - 1]!.id > field.id; at--) {
    fields[at] = fields[at - 1]!;
    values[at] = values[at - 1];
  }
  fields[at] = field;
  values[at] = value;
}

function writeUnknown(writer: PlainWriter, message: { $unknowns?: Uint8Array[] }): void {
  if (!Object.hasOwn(message, '$unknowns')) return;
  for (const bytes of message.$unknowns ?? []) writer.raw(bytes);
}

const anyTypes = new Map<string, protobuf.Type>();

/** An Any with its message in it ('@type'); false for one of bytes. */
function writeAny(writer: PlainWriter, message: Fields, lookup: Lookup): boolean {
  const url = message['@type'];
  if (typeof url !== 'string' || url === '') return false;
  let type = anyTypes.get(url);
  if (type === undefined) {
    type = lookup(url.slice(url.lastIndexOf('/') + 1));
    if (type === undefined) return false;
    anyTypes.set(url, type);
  }
  writer.uint32(10);
  writer.string(url.includes('/') ? url : `/${url}`);
  const start = writer.pos;
  writer.uint32(18);
  const value = writer.startDelimited();
  write(writer, planOf(type, lookup), message, lookup);
  // It is left out when nothing of it is written.
  if (writer.pos === value + 1) writer.pos = start;
  else writer.endDelimited(value);
  return true;
}

function putOf(field: protobuf.Field, lookup: Lookup): Put {
  if (field instanceof protobuf.MapField) return putMap(field, lookup);
  const { id } = field;
  const wireType = field.resolvedType instanceof protobuf.Type ? 2 : wireTypeOf(field.type);
  const single = putValue(field, (id << 3) | wireType, lookup);
  if (!field.repeated) {
    if (field.hasPresence || field.resolvedType instanceof protobuf.Type) return single;
    const isDefault = defaultTest(field);
    return (writer, value) => {
      if (!isDefault(value)) single(writer, value);
    };
  }
  const isPacked = field.packed && Object.hasOwn(protobuf.types.packed, packedName(field));
  if (!isPacked) {
    return (writer, value) => {
      for (const item of asArray(field, value)) single(writer, item);
    };
  }
  const bare = putValue(field, undefined, lookup);
  return (writer, value) => {
    const items = asArray(field, value);
    if (items.length === 0) return;
    writer.uint32((id << 3) | 2);
    const start = writer.startDelimited();
    for (const item of items) bare(writer, item);
    writer.endDelimited(start);
  };
}

/** Without presence of its own, a field with its type's default is not written. */
function defaultTest({ type, resolvedType }: protobuf.Field): (value: unknown) => boolean {
  if (resolvedType instanceof protobuf.Enum) return (value) => numberOf(resolvedType, value) === 0;
  if (type === 'string') return (value) => value === '';
  if (type === 'bool') return (value) => !value;
  if (type === 'bytes') return (value) => (value as Uint8Array).length === 0;
  if (type === 'double' || type === 'float') return (value) => Object.is(Number(value), 0);
  return (value) => Number(value) === 0;
}

function asArray(field: protobuf.Field, value: unknown): readonly unknown[] {
  if (Array.isArray(value)) return value;
  throw new TypeError(`${field.fullName}: array expected`);
}

const packedName = (field: protobuf.Field) =>
  field.resolvedType instanceof protobuf.Enum ? 'int32' : field.type;

function wireTypeOf(type: string): number {
  return (protobuf.types.basic as Readonly<Record<string, number>>)[type] ?? 0;
}

/** `tag` undefined: without one, in a packed list. */
function putValue(field: protobuf.Field, tag: number | undefined, lookup: Lookup): Put {
  const { resolvedType } = field;
  if (resolvedType instanceof protobuf.Type) return putMessage(field, resolvedType, tag!, lookup);
  const bare = resolvedType instanceof protobuf.Enum ? enumPut(resolvedType) : scalarPut(field);
  if (tag === undefined) return bare;
  return (writer, value) => {
    // A name that the enum does not have is left out, as protobufjs does.
    if (resolvedType instanceof protobuf.Enum && numberOf(resolvedType, value) === undefined)
      return;
    writer.uint32(tag);
    bare(writer, value);
  };
}

function putMessage(
  { fullName }: protobuf.Field,
  type: protobuf.Type,
  tag: number,
  lookup: Lookup,
): Put {
  let plan: TypePlan | undefined;
  // Many messages hold the very same object as the one before: endpoints their metadata, routes their retry policy.
  let last: unknown;
  let bytes: Buffer | undefined;
  return (writer, value) => {
    if (value === last && bytes !== undefined) {
      writer.raw(bytes);
      return;
    }
    if (typeof value !== 'object') throw new TypeError(`${fullName}: object expected`);
    plan ??= planOf(type, lookup);
    const start = writer.pos;
    writer.uint32(tag);
    const body = writer.startDelimited();
    write(writer, plan, value as Fields, lookup);
    writer.endDelimited(body);
    bytes = value === last ? writer.copyFrom(start) : undefined;
    last = value;
  };
}

function numberOf({ values }: protobuf.Enum, value: unknown): number | undefined {
  return typeof value === 'number' ? value : values[value as string];
}

function enumPut(type: protobuf.Enum): Put {
  return (writer, value) => writer.int32(numberOf(type, value) ?? 0);
}

function scalarPut({ type, fullName }: protobuf.Field): Put {
  switch (type) {
    case 'string':
      return (writer, value) => writer.string(String(value));
    case 'bool':
      return (writer, value) => writer.bool(Boolean(value));
    case 'bytes':
      return (writer, value) => writer.bytes(value as Uint8Array);
    case 'uint32':
    case 'fixed32':
      return (writer, value) => writer[type]((value as number) >>> 0);
    case 'int32':
    case 'sint32':
      return (writer, value) => writer[type]((value as number) | 0);
    case 'sfixed32':
      return (writer, value) => writer.fixed32((value as number) | 0);
    case 'double':
    case 'float':
      return (writer, value) => writer[type](Number(value));
    case 'int64':
    case 'uint64':
      return (writer, value) => writer.uint64(value as number);
    case 'sint64':
      return (writer, value) => writer.sint64(value as number);
    case 'fixed64':
    case 'sfixed64':
      return (writer, value) => writer.fixed64(value as number);
    default:
      throw new Error(`${fullName}: no way to write ${type}`);
  }
}

/** In the order of the keys, so that equal maps have equal bytes. */
function putMap(field: protobuf.MapField, lookup: Lookup): Put {
  const { id, keyType } = field;
  const keyTag = 8 | wireTypeOf(keyType);
  const putKey = scalarPut({ type: keyType, fullName: field.fullName } as protobuf.Field);
  const wireType = field.resolvedType instanceof protobuf.Type ? 2 : wireTypeOf(field.type);
  const putItem = putValue(field as unknown as protobuf.Field, 16 | wireType, lookup);
  return (writer, value) => {
    if (typeof value !== 'object') throw new TypeError(`${field.fullName}: object expected`);
    const map = value as Fields;
    for (const key of sortedKeys(map)) {
      writer.uint32((id << 3) | 2);
      const start = writer.startDelimited();
      writer.uint32(keyTag);
      putKey(writer, keyType === 'bool' ? key === 'true' : key);
      putItem(writer, map[key]);
      writer.endDelimited(start);
    }
  };
}

function sortedKeys(map: Fields): string[] {
  const keys = Object.keys(map);
  if (keys.every((key, i) => i === 0 || keys[i - 1]! < key)) return keys;
  // Numbers among them first, in their own order, as in any object.
  return Object.keys(Object.fromEntries(keys.sort().map((key) => [key, true])));
}
