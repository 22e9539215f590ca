// Makes src/envoy/gen/ from Envoy's protos (the npm package @grpc/grpc-js-xds ships them) and our own
// protos/: `root.json` for the codec at run time, `extensions.json` for types that only users name, `reflection.json`
// for server reflection, and TypeScript types for the translators. Not committed.
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import protobuf from 'protobufjs';
import { fileDescriptors } from './file-descriptors.mjs';

const project = fileURLToPath(new URL('..', import.meta.url));
const require = createRequire(import.meta.url);
const deps = join(dirname(require.resolve('@grpc/grpc-js-xds/package.json')), 'deps');
// google/protobuf/descriptor.proto is not in the npm set; protobufjs ships it.
const protobufDir = dirname(require.resolve('protobufjs/package.json'));
const include = [
  join(project, 'protos'),
  ...['envoy-api', 'xds', 'googleapis', 'protoc-gen-validate'].map((d) => join(deps, d)),
];
const final = join(project, 'src/envoy/gen');
// Made beside it and then put in its place, so that whoever runs meanwhile finds one or the other.
const out = join(project, `src/envoy/gen.${process.pid}`);
const listFile = join(project, 'protos/loaded.txt');
const extensionsFile = join(project, 'protos/extensions.txt');
const listed = (file) =>
  readFileSync(file, 'utf8')
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('#'));
const files = listed(listFile);

const hash = createHash('sha256');
hash.update(readFileSync(fileURLToPath(import.meta.url)));
hash.update(readFileSync(join(project, 'scripts/file-descriptors.mjs')));
hash.update(readFileSync(listFile));
hash.update(readFileSync(extensionsFile));
hash.update(readFileSync(join(deps, '..', 'package.json')));
for (const entry of readdirSync(join(project, 'protos'), { recursive: true }).sort()) {
  if (entry.endsWith('.proto')) hash.update(readFileSync(join(project, 'protos', entry)));
}
const stamp = hash.digest('hex');
const stampOf = (dir) => join(dir, 'stamp');
if (existsSync(stampOf(final)) && readFileSync(stampOf(final), 'utf8') === stamp) process.exit(0);

rmSync(out, { recursive: true, force: true });
mkdirSync(out, { recursive: true });

async function load(paths) {
  const root = new protobuf.Root();
  const resolveRelative = root.resolvePath.bind(root);
  root.resolvePath = (origin, target) =>
    [...include, protobufDir].map((dir) => join(dir, target)).find((path) => existsSync(path)) ??
    resolveRelative(origin, target);
  await root.load(paths, { keepCase: true });
  root.resolveAll();
  return root;
}

/** What `all` has and `known` has not, of two namespaces in protobufjs' JSON. */
function without(all, known) {
  const rest = Object.entries(all).flatMap(([name, json]) => {
    const other = known[name];
    if (other === undefined) return [[name, json]];
    if (json.fields || json.values || json.methods) return [];
    const nested = without(json.nested ?? {}, other.nested ?? {});
    return Object.keys(nested).length === 0 ? [] : [[name, { nested }]];
  });
  return Object.fromEntries(rest);
}

const root = await load(files);
const pathOf = (file) => {
  const dir = [...include, protobufDir].find((each) => file.startsWith(`${each}/`));
  return dir === undefined ? file : file.slice(dir.length + 1);
};
// Before toJSON, which is for the codec alone.
writeFileSync(join(out, 'reflection.json'), JSON.stringify(fileDescriptors(root, pathOf)));
const rootJson = root.toJSON();
writeFileSync(join(out, 'root.json'), JSON.stringify(rootJson));
const withExtensions = (await load([...files, ...listed(extensionsFile)])).toJSON();
const extensions = { nested: without(withExtensions.nested, rootJson.nested) };
writeFileSync(join(out, 'extensions.json'), JSON.stringify(extensions));

const loaderDir = dirname(require.resolve('@grpc/proto-loader/package.json'));
execFileSync(
  process.execPath,
  [
    join(loaderDir, 'build/bin/proto-loader-gen-types.js'),
    ...['--keepCase', '--longs=String', '--enums=String', '--defaults', '--oneofs'],
    ...['--inputTemplate=%s', '--outputTemplate=%s__Output', '--grpcLib=@grpc/grpc-js'],
    ...['--importFileExtension=.js', '-O', join(out, 'types'), '-I', ...include],
    ...files.flatMap((file) => ['--', file]).filter((arg, i) => i === 0 || arg !== '--'),
  ],
  { stdio: ['ignore', 'ignore', 'inherit'] },
);
writeFileSync(stampOf(out), stamp);
rmSync(final, { recursive: true, force: true });
renameSync(out, final);
console.log(`gen: ${files.length} protos and what they import -> src/envoy/gen`);
