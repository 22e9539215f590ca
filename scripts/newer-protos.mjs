// What the Envoy that fairlead is tested with knows and the npm set of protos, which is of 2024, does not: types, fields
// and values of enums, read from the descriptors that every Envoy binary carries. Run by hand for a new release of Envoy:
//
//   node scripts/newer-protos.mjs .cache/envoy/1.40.0/envoy
//
// It writes protos/newer.jsonl, a type a line in protobufjs' form, which scripts/gen.mjs puts on top of the npm set; with
// --check it compares.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import protobuf from 'protobufjs';
import descriptor from 'protobufjs/ext/descriptor/index.js';
import { listed, loadProtos, protos } from './npm-protos.mjs';

const [binary, option] = process.argv.slice(2);
const isCheck = option === '--check';
if (binary === undefined) throw new Error('the path of an Envoy binary must be given');

/** Packages of which users or translation name types. */
const wanted = /^(envoy\.(config|extensions|type)|xds)\./;
const unwanted = /^envoy\.config\.bootstrap\./;

const scalars = [
  ...['', 'double', 'float', 'int64', 'uint64', 'int32', 'fixed64', 'fixed32', 'bool', 'string'],
  ...['group', 'message', 'bytes', 'uint32', 'enum', 'sfixed32', 'sfixed64', 'sint32', 'sint64'],
];
const [REPEATED, MESSAGE, ENUM] = [3, 11, 14];

/** Serialized FileDescriptorProtos: each begins with its name, and ends with its syntax. */
function descriptorsIn(data) {
  const suffix = Buffer.from('.proto\x12');
  const files = new Map();
  for (let at = data.indexOf(suffix); at >= 0; at = data.indexOf(suffix, at + 1)) {
    const start = startOfName(data, at + suffix.length - 1);
    if (start === undefined) continue;
    const end = endOfFile(data, start - 2);
    if (end === undefined) continue;
    const file = descriptor.FileDescriptorProto.decode(data.subarray(start - 2, end));
    files.set(file.name, file);
  }
  return [...files.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** A name is preceded by its tag (field 1) and its length. */
function startOfName(data, end) {
  for (let length = 8; length < 128; length++) {
    const start = end - length;
    if (data[start - 1] !== length || data[start - 2] !== 0x0a) continue;
    return /^[\w./-]+$/.test(data.toString('latin1', start, end)) ? start : undefined;
  }
  return undefined;
}

/** Fields stand in the order of their numbers; 12 (syntax) is the last. */
function endOfFile(data, start) {
  const reader = protobuf.Reader.create(data);
  reader.pos = start;
  try {
    for (let last = 0; ; ) {
      const tag = reader.uint32();
      const field = tag >>> 3;
      if (field < last || field > 12) return undefined;
      last = field;
      reader.skipType(tag & 7);
      if (field === 12) return reader.pos;
    }
  } catch {
    return undefined;
  }
}

const npm = await loadProtos([...listed('loaded.txt'), ...listed('extensions.txt')]);
const all = new Map();
const files = descriptorsIn(readFileSync(binary)).filter(
  ({ package: name }) => wanted.test(`${name}.`) && !unwanted.test(`${name}.`),
);
for (const file of files) {
  for (const type of file.messageType) collect(`.${file.package}`, type);
  for (const type of file.enumType) all.set(`.${file.package}.${type.name}`, type);
}

function collect(scope, type) {
  const name = `${scope}.${type.name}`;
  if (type.options?.mapEntry) return;
  all.set(name, type);
  for (const inner of type.nestedType) collect(name, inner);
  for (const inner of type.enumType) all.set(`${name}.${inner.name}`, inner);
}

const isKnown = (name) => all.has(name) || npm.lookup(name) !== null;

/** The JSON of a field; undefined where its type is known to nobody here. */
function fieldJson(field, owner) {
  const json = { id: field.number };
  const entry = owner.nestedType.find(
    ({ name, options }) => options?.mapEntry && field.typeName?.endsWith(`${owner.name}.${name}`),
  );
  const value = entry?.field.find(({ number }) => number === 2) ?? field;
  if (entry) json.keyType = scalars[entry.field.find(({ number }) => number === 1).type];
  else if (field.label === REPEATED) json.rule = 'repeated';
  const named = value.type === MESSAGE || value.type === ENUM;
  if (named && !isKnown(value.typeName)) return undefined;
  json.type = named ? value.typeName : scalars[value.type];
  if (field.proto3Optional) json.options = { proto3_optional: true };
  return json;
}

function enumJson(type, known) {
  const values = type.value.filter(({ name }) => known?.values[name] === undefined);
  return values.length === 0
    ? undefined
    : { values: Object.fromEntries(values.map((each) => [each.name, each.number])) };
}

function typeJson(name, type, known) {
  const fields = {};
  const oneofs = {};
  for (const field of type.field) {
    if (known?.fields[field.name]) continue;
    const json = fieldJson(field, type);
    if (json === undefined) continue;
    fields[field.name] = json;
    // proto3's `optional` is a oneof of one.
    if (Object.hasOwn(field, 'oneofIndex')) {
      const oneof = type.oneofDecl[field.oneofIndex].name;
      oneofs[oneof] ??= { oneof: [] };
      oneofs[oneof].oneof.push(field.name);
    }
  }
  const nested = {};
  for (const inner of type.nestedType) {
    if (inner.options?.mapEntry) continue;
    const json = newIn(`${name}.${inner.name}`, inner);
    if (json) nested[inner.name] = json;
  }
  for (const inner of type.enumType) {
    const json = newIn(`${name}.${inner.name}`, inner);
    if (json) nested[inner.name] = json;
  }
  const isEmpty = Object.keys(fields).length + Object.keys(nested).length === 0;
  if (known && isEmpty) return undefined;
  return {
    ...(Object.keys(oneofs).length > 0 && { oneofs }),
    fields,
    ...(Object.keys(nested).length > 0 && { nested }),
  };
}

/** What is new in a type or enum; undefined: nothing. */
function newIn(name, type) {
  const known = npm.lookup(name) ?? undefined;
  return type.value ? enumJson(type, known) : typeJson(name, type, known);
}

const lines = files.flatMap((file) =>
  [...file.messageType, ...file.enumType].flatMap((type) => {
    const name = `${file.package}.${type.name}`;
    const json = newIn(`.${name}`, type);
    return json === undefined ? [] : [JSON.stringify({ name, ...json })];
  }),
);
const text = `${lines.join('\n')}\n`;
const target = join(protos, 'newer.jsonl');
if (isCheck) {
  if (readFileSync(target, 'utf8') !== text) throw new Error(`${target} is not what ${binary} has`);
} else writeFileSync(target, text);
console.log(
  `${files.length} files in the binary; ${lines.length} types are new or have something new`,
);
