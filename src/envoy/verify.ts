// Finds what a codec passes over in silence: fields that a message type does not have, enum names it does not know,
// values of a wrong sort. For messages in the shape of resource.ts. No encoding here, and no rules beyond the proto
// schema (Envoy's own validation rules are Envoy's to apply).
import protobuf from 'protobufjs/light.js';

type FindType = (typeUrl: string) => protobuf.Type | undefined;

/** One line per mistake, each with the path of the field; empty when there is none. */
export function verifyMessage(type: protobuf.Type, message: object, findType: FindType): string[] {
  const found: string[] = [];
  const visit: Visit = { findType, report: (path, what) => found.push(`${path}: ${what}`) };
  checkMessage(type, message, { ...visit, path: type.name });
  return found;
}

interface Visit {
  findType: FindType;
  report(path: string, what: string): void;
}

interface At extends Visit {
  path: string;
}

function checkMessage(type: protobuf.Type, value: unknown, at: At): void {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    at.report(at.path, `expected a message ${type.name}, found ${describe(value)}`);
    return;
  }
  if (type.fullName === '.google.protobuf.Any' && '@type' in value) {
    checkAny(value, at);
    return;
  }
  const oneofs = new Map<string, string>();
  for (const [name, fieldValue] of Object.entries(value)) {
    if (fieldValue === undefined || fieldValue === null) continue;
    const field = Object.hasOwn(type.fields, name) ? type.fields[name]!.resolve() : undefined;
    if (field === undefined) {
      at.report(`${at.path}.${name}`, `${type.name} has no such field`);
      continue;
    }
    const other = field.partOf && !field.partOf.isProto3Optional && oneofs.get(field.partOf.name);
    if (other) at.report(`${at.path}.${name}`, `set together with ${other}; one of them only`);
    if (field.partOf) oneofs.set(field.partOf.name, name);
    checkField(field, fieldValue, { ...at, path: `${at.path}.${name}` });
  }
}

function checkAny(value: object, at: At): void {
  const { '@type': typeUrl, ...fields } = value as { '@type': unknown };
  const type = typeof typeUrl === 'string' ? at.findType(typeUrl) : undefined;
  if (type === undefined) at.report(at.path, `no proto is loaded for ${String(typeUrl)}`);
  else checkMessage(type, fields, { ...at, path: `${at.path}<${type.name}>` });
}

function checkField(field: protobuf.Field, value: unknown, at: At): void {
  if (field.map) {
    if (typeof value !== 'object' || Array.isArray(value)) {
      at.report(at.path, `expected a map, found ${describe(value)}`);
      return;
    }
    for (const [key, entry] of Object.entries(value as object)) {
      checkValue(field, entry, { ...at, path: `${at.path}[${JSON.stringify(key)}]` });
    }
  } else if (field.repeated) {
    if (!Array.isArray(value)) {
      at.report(at.path, `expected a list, found ${describe(value)}`);
      return;
    }
    for (const [i, entry] of value.entries())
      checkValue(field, entry, { ...at, path: `${at.path}[${i}]` });
  } else checkValue(field, value, at);
}

function checkValue(field: protobuf.Field, value: unknown, at: At): void {
  const type = field.resolvedType;
  if (type instanceof protobuf.Type) {
    checkMessage(type, value, at);
    return;
  }
  if (type instanceof protobuf.Enum) {
    const known =
      typeof value === 'string' ? Object.hasOwn(type.values, value) : typeof value === 'number';
    if (!known) at.report(at.path, `${type.name} has no value ${describe(value)}`);
    return;
  }
  const wrong = scalarMistake(field.type, value);
  if (wrong !== undefined) at.report(at.path, `${wrong}, found ${describe(value)}`);
}

function scalarMistake(type: string, value: unknown): string | undefined {
  switch (type) {
    case 'string':
      return typeof value === 'string' ? undefined : 'expected a string';
    case 'bool':
      return typeof value === 'boolean' ? undefined : 'expected true or false';
    case 'bytes':
      return typeof value === 'string' || value instanceof Uint8Array
        ? undefined
        : 'expected bytes';
    case 'double':
    case 'float':
      return typeof value === 'number' ? undefined : 'expected a number';
    default:
      return isInteger(type, value) ? undefined : `expected a number of type ${type}`;
  }
}

/** 64-bit numbers may also come as decimal strings or as Long objects. */
function isInteger(type: string, value: unknown): boolean {
  const unsigned = type.startsWith('u') || type.startsWith('fixed');
  if (typeof value === 'number') {
    const limit = type.endsWith('32') ? 2 ** 32 : Number.MAX_SAFE_INTEGER;
    return Number.isInteger(value) && (!unsigned || value >= 0) && Math.abs(value) < limit;
  }
  if (!type.endsWith('64')) return false;
  if (typeof value === 'string') return unsigned ? /^\d+$/.test(value) : /^-?\d+$/.test(value);
  return typeof value === 'object' && value !== null && 'low' in value && 'high' in value;
}

function describe(value: unknown): string {
  const text = JSON.stringify(value) ?? String(value);
  return text.length > 60 ? `${text.slice(0, 60)}…` : text;
}
