// Envoy's protos as .proto files: those of the npm package @grpc/grpc-js-xds, which are of 2024, and our own in protos/.
import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import protobuf from 'protobufjs';

const require = createRequire(import.meta.url);
export const protos = fileURLToPath(new URL('../protos', import.meta.url));
export const deps = join(dirname(require.resolve('@grpc/grpc-js-xds/package.json')), 'deps');
// google/protobuf/descriptor.proto is not in the npm set; protobufjs ships it.
const protobufDir = dirname(require.resolve('protobufjs/package.json'));

/** Directories of .proto files. */
export const include = [
  protos,
  ...['envoy-api', 'xds', 'googleapis', 'protoc-gen-validate'].map((d) => join(deps, d)),
];
export const allDirectories = [...include, protobufDir];

/** The lines of a list of protos, without comments. */
export function listed(file) {
  return readFileSync(join(protos, file), 'utf8')
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('#'));
}

/** Protos and what they import. */
export async function loadProtos(paths) {
  const root = new protobuf.Root();
  const resolveRelative = root.resolvePath.bind(root);
  root.resolvePath = (origin, target) =>
    allDirectories.map((dir) => join(dir, target)).find((path) => existsSync(path)) ??
    resolveRelative(origin, target);
  await root.load(paths, { keepCase: true });
  root.resolveAll();
  return root;
}
