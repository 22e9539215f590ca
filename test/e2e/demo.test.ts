// The demo as a user runs it: it answers over HTTP and HTTPS, two at once do not meet, and however it ends nothing is
// left: no process, no folder, no key.
import { type ChildProcess, spawn } from 'node:child_process';
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
} from 'node:fs';
import { get } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t, { type Test } from 'tap';
import type { DemoMode } from '../../src/cli/demo/choose-mode.js';
import { certificateFile } from '../../src/cli/demo/gateway-certificate.js';
import { demoDir } from '../../src/cli/demo/workloads.js';

// The runner's 30 s for a file are too few on a busy machine.
t.setTimeout(240_000);

const main = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url));
const startTimeoutMs = 40_000;

interface Demo {
  process: ChildProcess;
  url: string;
  output: () => string;
  exited: Promise<number | null>;
}

/**
 * Starts the command in a process group of its own, as a shell would, with temporary files in
 * `tmp`, and a configuration of its own unless one is given.
 */
async function startDemo(tmp: string, args: readonly string[], given?: string): Promise<Demo> {
  const config = given ?? configOf(tmp);
  const child = spawn(
    process.execPath,
    [
      '--import',
      import.meta.resolve('tsx'),
      main,
      'demo',
      '--config',
      config,
      '--port',
      '0',
      '--https-port',
      '0',
      '--admin-port',
      '0',
      ...args,
    ],
    { env: { ...process.env, TMPDIR: tmp }, detached: true, stdio: ['ignore', 'pipe', 'pipe'] },
  );
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (chunk: string) => {
      output += chunk;
    });
  }
  const exited = new Promise<number | null>((resolve) => child.on('exit', resolve));
  const url = await new Promise<string>((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`not ready: ${output}`)), startTimeoutMs);
    child.stdout.on('data', () => {
      const found = /frontend +(http:\S+)/.exec(output)?.[1];
      if (found === undefined || !output.includes('Ctrl-C')) return;
      clearTimeout(timer);
      resolve(found);
    });
    void exited.then(() => reject(new Error(`ended: ${output}`)));
  });
  return { process: child, url, output: () => output, exited };
}

function makeTmp(t: Test): string {
  const tmp = mkdtempSync(join(tmpdir(), 'demo-'));
  // The sidecar's user passes through.
  chmodSync(tmp, 0o711);
  t.teardown(() => rmSync(tmp, { recursive: true, force: true }));
  return tmp;
}

/** A copy of the demo's configuration. */
function configOf(tmp: string): string {
  const config = join(tmp, 'config');
  if (!existsSync(config)) cpSync(join(demoDir, 'config'), config, { recursive: true });
  return config;
}

/** Command lines of processes that know the folder. */
function processesOf(tmp: string): string[] {
  if (!existsSync('/proc')) return [];
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((pid) => {
      try {
        return [readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ')];
      } catch {
        return [];
      }
    })
    .filter((command) => command.includes(tmp));
}

async function nothingLeft(t: Test, tmp: string): Promise<void> {
  const end = Date.now() + 5_000;
  const left = () => [
    ...processesOf(tmp),
    ...readdirSync(tmp).filter((name) => name.startsWith('fairlead-')),
  ];
  while (left().length > 0 && Date.now() < end) {
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  t.same(left(), [], 'no process and no folder is left');
}

/** The call over HTTPS that the demo suggests, which believes its certificate alone. */
function callSecurely(output: string): Promise<number | undefined> {
  const [, file, url] = /--cacert (\S+) (https:\S+)/.exec(output) ?? [];
  const ca = readFileSync(file!);
  return new Promise((resolve, reject) => {
    const call = get(url!, { ca, family: 4, timeout: 10_000 }, (response) => {
      response.resume();
      response.on('end', () => resolve(response.statusCode));
    });
    call.on('timeout', () => call.destroy(new Error('timeout')));
    call.on('error', reject);
  });
}

async function version(url: string): Promise<unknown> {
  const response = await fetch(url, { signal: AbortSignal.timeout(10_000) });
  return ((await response.json()) as { backend: { version: unknown } }).backend.version;
}

// What this machine allows at best, and the mode that needs nothing.
const modes: (DemoMode | undefined)[] = [undefined, 'ports'];
for (const mode of modes) {
  const args = mode === undefined ? [] : ['--mode', mode];
  t.test(`${mode ?? 'best mode'}: ends with Ctrl-C`, { timeout: 60_000 }, async (t) => {
    const tmp = makeTmp(t);
    const demo = await startDemo(tmp, args);
    t.match(await version(demo.url), /^v[12]$/);
    t.equal(await callSecurely(demo.output()), 200);
    t.match(demo.output(), /mode (netns|userns|ports): /, 'says which mode it is');
    t.match(demo.output(), /routing\.yaml:\d+/, 'says where to edit');
    t.ok(processesOf(tmp).length > 0);
    // What a terminal does: SIGINT to the whole foreground group.
    process.kill(-demo.process.pid!, 'SIGINT');
    t.equal(await demo.exited, 0);
    await nothingLeft(t, tmp);
    t.notOk(existsSync(join(tmp, 'config', certificateFile)), 'the key is gone, too');
    t.notMatch(demo.output(), /Secret/, 'and nobody was told that it went');
  });
}

t.test(
  'two at once do not meet, and one that is killed leaves nothing',
  { timeout: 90_000 },
  async (t) => {
    const [one, two] = [makeTmp(t), makeTmp(t)];
    // Of neither: command lines say whose a process is.
    const config = configOf(makeTmp(t));
    const both = [startDemo(one, [], config), startDemo(two, [], config)] as const;
    const [first, second] = await Promise.all(both);
    t.not(first.url, second.url);
    t.match(await version(first.url), /^v[12]$/);
    t.match(await version(second.url), /^v[12]$/);
    t.equal(await callSecurely(first.output()), 200);
    t.equal(await callSecurely(second.output()), 200, 'they share a certificate');
    first.process.kill('SIGKILL');
    await first.exited;
    t.match(await version(second.url), /^v[12]$/, 'the other one goes on');
    t.equal(await callSecurely(second.output()), 200);
    if (!/mode ports/.test(first.output())) await nothingLeft(t, one);
    second.process.kill('SIGTERM');
    t.equal(await second.exited, 0);
    await nothingLeft(t, two);
  },
);

t.test(
  'explicit ports: the next run sweeps what a killed one left',
  { timeout: 90_000 },
  async (t) => {
    if (!existsSync('/proc')) return t.pass('needs /proc', { skip: true });
    const tmp = makeTmp(t);
    const killed = await startDemo(tmp, ['--mode', 'ports']);
    killed.process.kill('SIGKILL');
    await killed.exited;
    t.ok(processesOf(tmp).length > 0, 'something is left, or this test shows nothing');
    const next = await startDemo(tmp, ['--mode', 'ports', '--once']);
    t.equal(await next.exited, 0);
    await nothingLeft(t, tmp);
  },
);
