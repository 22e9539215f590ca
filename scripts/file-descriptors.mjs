// FileDescriptorProtos of loaded protos, for gRPC server reflection: one for each .proto file, without options and
// comments (validation rules, annotations). protobufjs' own descriptor extension makes one file of each package, which
// Envoy's packages do not allow (they import each other), and no entries that C++ and Python take for maps.
import protobuf from 'protobufjs';
import descriptor from 'protobufjs/ext/descriptor/index.js';

const kinds = {
  double: 1,
  float: 2,
  int64: 3,
  uint64: 4,
  int32: 5,
  fixed64: 6,
  fixed32: 7,
  bool: 8,
  string: 9,
  bytes: 12,
  uint32: 13,
  sfixed32: 15,
  sfixed64: 16,
  sint32: 17,
  sint64: 18,
};
const wellKnown = {
  Any: 'any',
  Duration: 'duration',
  Empty: 'empty',
  FieldMask: 'field_mask',
  Timestamp: 'timestamp',
  Struct: 'struct',
  Value: 'struct',
  ListValue: 'struct',
  NullValue: 'struct',
};

/**
 * `files`: by import path, the base64 of the FileDescriptorProto and the paths it imports; `symbols`: message, enum
 * and service names with the path of their file. `pathOf` turns a file name of protobufjs into an import path.
 */
export function fileDescriptors(root, pathOf) {
  const files = new Map();
  const fileOf = (object) => {
    const name = object.fullName.slice(1);
    if (name.startsWith('google.protobuf.') && object.filename == null) {
      const word = name.split('.')[2];
      return `google/protobuf/${wellKnown[word] ?? (word.endsWith('Value') ? 'wrappers' : 'descriptor')}.proto`;
    }
    let at = object;
    while (at.filename == null && at.parent) at = at.parent;
    return pathOf(at.filename);
  };
  const visit = (namespace) => {
    for (const object of namespace.nestedArray) {
      const { Type, Enum, Service, Namespace } = protobuf;
      if (object instanceof Type || object instanceof Enum || object instanceof Service) {
        const path = fileOf(object);
        if (path.endsWith('google/protobuf/descriptor.proto')) continue;
        const file = files.get(path) ?? newFile(path, namespace.fullName.slice(1));
        files.set(path, file);
        const need = (other) => {
          const from = fileOf(other);
          if (from !== path) file.needs.add(from);
          return other.fullName;
        };
        if (object instanceof Type) file.proto.messageType.push(message(object, need));
        else if (object instanceof Enum) file.proto.enumType.push(enumeration(object));
        else file.proto.service.push(service(object, need));
        addSymbols(object, file.symbols);
      } else if (object instanceof Namespace) visit(object);
    }
  };
  visit(root);
  return asJson(files);
}

function newFile(name, proto_package) {
  const proto = { name, package: proto_package, syntax: 'proto3', dependency: [] };
  return {
    proto: { ...proto, messageType: [], enumType: [], service: [] },
    needs: new Set(),
    symbols: [],
  };
}

function asJson(files) {
  const json = { files: {}, symbols: {} };
  for (const [path, { proto, needs, symbols }] of [...files].sort(([a], [b]) => (a < b ? -1 : 1))) {
    proto.dependency = [...needs].sort();
    const { FileDescriptorProto } = descriptor;
    const bytes = FileDescriptorProto.encode(FileDescriptorProto.fromObject(proto)).finish();
    json.files[path] = { bytes: Buffer.from(bytes).toString('base64'), needs: proto.dependency };
    for (const symbol of symbols) json.symbols[symbol] = path;
  }
  return json;
}

function addSymbols(object, symbols) {
  symbols.push(object.fullName.slice(1));
  if (!(object instanceof protobuf.Type)) return;
  for (const nested of object.nestedArray) {
    if (!(nested instanceof protobuf.Field)) addSymbols(nested, symbols);
  }
}

function message(type, need) {
  const made = { name: type.name, field: [], nestedType: [], enumType: [], oneofDecl: [] };
  // The oneof that stands for `optional` comes after the others.
  const isOptional = (oneof) => oneof.isProto3Optional;
  const oneofs = [
    ...type.oneofsArray.filter((oneof) => !isOptional(oneof)),
    ...type.oneofsArray.filter(isOptional),
  ];
  made.oneofDecl = oneofs.map(({ name }) => ({ name }));
  for (const field of type.fieldsArray) {
    field.resolve();
    const described = { name: field.name, number: field.id, label: field.repeated ? 3 : 1 };
    described.jsonName = field.name.replace(/_+([a-z0-9])/g, (_, letter) => letter.toUpperCase());
    if (field.map) made.nestedType.push(mapEntry(type, field, { described, need }));
    else Object.assign(described, typeOf(field, need));
    if (field.partOf) {
      described.oneofIndex = oneofs.indexOf(field.partOf);
      if (isOptional(field.partOf)) described.proto3Optional = true;
    }
    made.field.push(described);
  }
  for (const nested of type.nestedArray) {
    if (nested instanceof protobuf.Type) made.nestedType.push(message(nested, need));
    else if (nested instanceof protobuf.Enum) made.enumType.push(enumeration(nested));
  }
  return made;
}

function mapEntry(type, field, { described, need }) {
  const camel = field.name.replace(/(^|_)([a-z0-9])/g, (_, __, letter) => letter.toUpperCase());
  const name = `${camel}Entry`;
  Object.assign(described, { label: 3, type: 11, typeName: `${type.fullName}.${name}` });
  const key = { name: 'key', number: 1, label: 1, jsonName: 'key', type: kinds[field.keyType] };
  const value = { name: 'value', number: 2, label: 1, jsonName: 'value', ...typeOf(field, need) };
  return { name, field: [key, value], options: { mapEntry: true } };
}

function typeOf(field, need) {
  const { resolvedType } = field;
  if (resolvedType === null) return { type: kinds[field.type] };
  const type = resolvedType instanceof protobuf.Enum ? 14 : 11;
  return { type, typeName: need(resolvedType) };
}

function enumeration(object) {
  const value = Object.entries(object.values).map(([name, number]) => ({ name, number }));
  const aliases = new Set(Object.values(object.values)).size < value.length;
  return { name: object.name, value, ...(aliases && { options: { allowAlias: true } }) };
}

function service(object, need) {
  const method = object.methodsArray.map((each) => {
    each.resolve();
    return {
      name: each.name,
      inputType: need(each.resolvedRequestType),
      outputType: need(each.resolvedResponseType),
      clientStreaming: each.requestStream === true,
      serverStreaming: each.responseStream === true,
    };
  });
  return { name: object.name, method };
}
