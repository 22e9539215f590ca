// protos/newer.jsonl (made by newer-protos.mjs) put on top of a namespace in protobufjs' JSON.
import { readFileSync } from 'node:fs';
import protobuf from 'protobufjs';

/** The file as one namespace. */
export function readNewer(file) {
  const root = { nested: {} };
  for (const line of readFileSync(file, 'utf8').trimEnd().split('\n')) {
    const { name, ...type } = JSON.parse(line);
    put(root, name.split('.'), type);
  }
  return root;
}

/**
 * Adds to `json` what `newer` has. With `everything`, where all of that is in already: only to types that `json` has, and
 * with it the types that their new fields need.
 */
export function addNewer(json, newer, everything) {
  merge(json, newer, everything === undefined);
  if (everything === undefined) return;
  const root = protobuf.Root.fromJSON(everything);
  root.resolveAll();
  // What is copied may itself need more.
  while (copyMissing(json, everything, root)) {}
}

function merge(json, newer, withTypes) {
  if (newer.values) json.values = { ...json.values, ...newer.values };
  if (newer.fields) {
    const ids = new Set(Object.values(newer.fields).map(({ id }) => id));
    // A number that Envoy has given to another field since, in a message that was not in use.
    const kept = Object.entries(json.fields ?? {}).filter(([, { id }]) => !ids.has(id));
    json.fields = { ...Object.fromEntries(kept), ...newer.fields };
  }
  for (const [name, { oneof }] of Object.entries(newer.oneofs ?? {})) {
    json.oneofs ??= {};
    json.oneofs[name] = { oneof: [...(json.oneofs[name]?.oneof ?? []), ...oneof] };
  }
  for (const [name, inner] of Object.entries(newer.nested ?? {})) {
    const known = json.nested?.[name];
    const isNamespace = !inner.fields && !inner.values;
    if (known !== undefined) merge(known, inner, withTypes || known.fields !== undefined);
    else if (withTypes) {
      json.nested ??= {};
      json.nested[name] = isNamespace ? { nested: {} } : structuredClone(inner);
      if (isNamespace) merge(json.nested[name], inner, withTypes);
    }
  }
}

/** Copies the types that fields name and that are not there; whether there were any. */
function copyMissing(json, everything, root) {
  let copied = false;
  for (const type of typesIn(root, json)) {
    for (const field of type.fieldsArray) {
      const needed = field.resolve().resolvedType;
      if (needed === null) continue;
      const path = outermost(needed).fullName.slice(1).split('.');
      if (at(json, path) !== undefined) continue;
      put(json, path, at(everything, path));
      copied = true;
    }
  }
  return copied;
}

/** The types of `root` that `json` has. */
function typesIn(root, json, path = []) {
  return Object.entries(json.nested ?? {}).flatMap(([name, inner]) => {
    const here = [...path, name];
    const found = inner.fields ? [root.lookupType(`.${here.join('.')}`)] : [];
    return [...found, ...typesIn(root, inner, here)];
  });
}

function outermost(type) {
  return type.parent instanceof protobuf.Type ? outermost(type.parent) : type;
}

function at(json, [name, ...rest]) {
  const inner = json.nested?.[name];
  return inner === undefined || rest.length === 0 ? inner : at(inner, rest);
}

function put(json, [name, ...rest], value) {
  json.nested ??= {};
  if (rest.length === 0) {
    json.nested[name] = value;
    return;
  }
  json.nested[name] ??= { nested: {} };
  put(json.nested[name], rest, value);
}
