// Makes src/envoy/gen/ from Envoy's protos (the npm package @grpc/grpc-js-xds ships them) and our own
// protos/: `root.json` for the codec at run time, `reflection.json` for server reflection, and TypeScript types for the
// translators. Not committed.
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
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
const out = join(project, 'src/envoy/gen');
const listFile = join(project, 'protos/loaded.txt');
const files = readFileSync(listFile, 'utf8')
  .split('\n')
  .map((line) => line.trim())
  .filter((line) => line !== '' && !line.startsWith('#'));

const hash = createHash('sha256');
hash.update(readFileSync(fileURLToPath(import.meta.url)));
hash.update(readFileSync(join(project, 'scripts/file-descriptors.mjs')));
hash.update(readFileSync(listFile));
hash.update(readFileSync(join(deps, '..', 'package.json')));
for (const entry of readdirSync(join(project, 'protos'), { recursive: true }).sort()) {
  if (entry.endsWith('.proto')) hash.update(readFileSync(join(project, 'protos', entry)));
}
const stamp = hash.digest('hex');
const stampFile = join(out, 'stamp');
if (existsSync(stampFile) && readFileSync(stampFile, 'utf8') === stamp) process.exit(0);

rmSync(out, { recursive: true, force: true });
mkdirSync(out, { recursive: true });

const root = new protobuf.Root();
const resolveRelative = root.resolvePath.bind(root);
root.resolvePath = (origin, target) =>
  [...include, protobufDir].map((dir) => join(dir, target)).find((path) => existsSync(path)) ??
  resolveRelative(origin, target);
await root.load(files, { keepCase: true });
root.resolveAll();
const pathOf = (file) => {
  const dir = [...include, protobufDir].find((each) => file.startsWith(`${each}/`));
  return dir === undefined ? file : file.slice(dir.length + 1);
};
// Before toJSON, which is for the codec alone.
writeFileSync(join(out, 'reflection.json'), JSON.stringify(fileDescriptors(root, pathOf)));
writeFileSync(join(out, 'root.json'), JSON.stringify(root.toJSON()));

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
writeFileSync(stampFile, stamp);
console.log(`gen: ${files.length} protos and what they import -> src/envoy/gen`);
