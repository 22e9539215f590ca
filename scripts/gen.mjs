// Makes src/envoy/gen/ from Envoy's protos (the npm package @grpc/grpc-js-xds ships those of 2024), what is newer in Envoy
// (protos/newer.jsonl) and our own protos/: `root.json` for the codec at run time, `extensions.json` for types that only users name, `reflection.json`
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
import { addNewer, readNewer } from './add-newer.mjs';
import { fileDescriptors } from './file-descriptors.mjs';
import { allDirectories, deps, include, listed, loadProtos, protos } from './npm-protos.mjs';

const project = fileURLToPath(new URL('..', import.meta.url));
const require = createRequire(import.meta.url);
const final = join(project, 'src/envoy/gen');
// Made beside it and then put in its place, so that whoever runs meanwhile finds one or the other.
const out = join(project, `src/envoy/gen.${process.pid}`);
const files = listed('loaded.txt');
const extensionFiles = listed('extensions.txt');

const hash = createHash('sha256');
hash.update(readFileSync(fileURLToPath(import.meta.url)));
hash.update(readFileSync(join(project, 'scripts/file-descriptors.mjs')));
for (const file of ['npm-protos.mjs', 'add-newer.mjs']) {
  hash.update(readFileSync(join(project, 'scripts', file)));
}
for (const file of ['loaded.txt', 'extensions.txt', 'newer.jsonl']) {
  hash.update(readFileSync(join(protos, file)));
}
hash.update(readFileSync(join(deps, '..', 'package.json')));
for (const entry of readdirSync(protos, { recursive: true }).sort()) {
  if (entry.endsWith('.proto')) hash.update(readFileSync(join(protos, entry)));
}
const stamp = hash.digest('hex');
const stampOf = (dir) => join(dir, 'stamp');
if (existsSync(stampOf(final)) && readFileSync(stampOf(final), 'utf8') === stamp) process.exit(0);

rmSync(out, { recursive: true, force: true });
mkdirSync(out, { recursive: true });

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

const root = await loadProtos(files);
const pathOf = (file) => {
  const dir = allDirectories.find((each) => file.startsWith(`${each}/`));
  return dir === undefined ? file : file.slice(dir.length + 1);
};
// Before toJSON, which is for the codec alone.
writeFileSync(join(out, 'reflection.json'), JSON.stringify(fileDescriptors(root, pathOf)));
const newer = readNewer(join(protos, 'newer.jsonl'));
const everything = (await loadProtos([...files, ...extensionFiles])).toJSON();
addNewer(everything, newer);
const rootJson = root.toJSON();
addNewer(rootJson, newer, everything);
writeFileSync(join(out, 'root.json'), JSON.stringify(rootJson));
const extensions = { nested: without(everything.nested, rootJson.nested) };
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
