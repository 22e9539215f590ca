// Pods in namespaces: real interception by iptables, shown with a static Envoy configuration (no
// control plane), as root and as a user in a user namespace; and that nothing is left, even when
// the launcher is killed.
import { execFileSync, spawn } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { request } from 'node:http';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t, { type Test } from 'tap';
import { type NamespaceMode, PodHost, type PodProcess } from '../../../src/cli/demo/pod-host.js';
import { ensureEnvoy } from '../../../src/cli/envoy-binary.js';
import { staticSidecar } from './static-sidecar.js';

// The runner's 30 s for a file are too few on a busy machine.
t.setTimeout(240_000);

const apps = fileURLToPath(new URL('../../../examples/demo/app/', import.meta.url));
const network = '10.143.15.1/24';

interface Answer {
  status: number;
  headers: Record<string, string | string[] | undefined>;
  body: string;
}

function get(socketPath: string, path: string): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const call = request({ socketPath, path, timeout: 3_000, agent: false }, (response) => {
      let body = '';
      response.on('data', (chunk) => {
        body += chunk;
      });
      response.on('end', () =>
        resolve({ status: response.statusCode ?? 0, headers: response.headers, body }),
      );
    });
    call.on('timeout', () => call.destroy(new Error('timeout')));
    call.on('error', reject);
    call.end();
  });
}

async function until<T>(what: string, attempt: () => Promise<T | undefined>): Promise<T> {
  const end = Date.now() + 15_000;
  for (;;) {
    const value = await attempt().catch(() => undefined);
    if (value !== undefined) return value;
    if (Date.now() > end) throw new Error(`not within 15 s: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

async function startOrSkip(t: Test, mode: NamespaceMode): Promise<PodHost | undefined> {
  const envoy = await ensureEnvoy();
  try {
    return await PodHost.start({ mode, addresses: [network], envoyPath: envoy.path });
  } catch (error) {
    // Only a machine that cannot do it may skip; root must always be able to.
    if (mode === 'netns' && process.getuid?.() === 0) throw error;
    t.comment(String(error));
    t.pass(`this machine does not allow ${mode}`, { skip: true });
    return undefined;
  }
}

for (const mode of ['netns', 'userns'] as const) {
  t.test(`${mode}: both sidecars see a call to the normal port`, { timeout: 60_000 }, async (t) => {
    const host = await startOrSkip(t, mode);
    if (host === undefined) return;
    t.teardown(() => host.stop());
    const addresses = { backend: '10.143.15.11', frontend: '10.143.15.10' };
    let app: PodProcess | undefined;
    const hosts = [{ address: addresses.backend, names: ['backend'] }];
    for (const [name, ip] of Object.entries(addresses)) {
      await host.addPod({ name, addresses: [`${ip}/24`], hosts });
      app = await host.run({
        pod: name,
        name: 'app',
        argv: [process.execPath, join(apps, `${name}.mjs`)],
      });
    }
    const door = await host.forward('door', addresses.frontend, 8080);

    await until('the apps', async () => /frontend on/.test(PodHost.tail(app!)) || undefined);
    await t.rejects(get(door, '/'), 'closed, not open: a pod without its sidecar takes no calls');

    for (const name of Object.keys(addresses)) {
      const admin = join(host.podDir(name), 'admin.sock');
      const config = JSON.stringify(staticSidecar({ name, admin, bypass: host.bypass }));
      const argv = [host.envoyPath, '--config-yaml', config, '-l', 'warn', '--concurrency', '1'];
      await host.run({
        pod: name,
        name: 'envoy',
        argv: [...argv, '--disable-hot-restart'],
        asSidecar: true,
      });
    }
    const answer = await until('a meshed answer', async () => {
      const got = await get(door, '/');
      return got.status === 200 ? got : undefined;
    });
    const { backend, responseHeaders } = JSON.parse(answer.body);
    t.equal(
      backend.headers['x-hop'],
      'frontend-out, backend-in',
      'request: both sidecars, in order',
    );
    t.equal(responseHeaders['x-hop-back'], 'backend-in, frontend-out', 'response: both, back');
    t.equal(backend.headers.host, 'backend:8080');
    for (const [pod, listener] of [
      ['frontend', 'virtualOutbound'],
      ['backend', 'virtualInbound'],
    ] as const) {
      const stats = await get(
        join(host.podDir(pod), 'admin.sock'),
        '/stats?filter=downstream_rq_2xx',
      );
      t.match(stats.body, new RegExp(`http.${listener}.downstream_rq_2xx: [1-9]`));
    }
  });
}

t.test('a killed launcher leaves nothing', { timeout: 60_000 }, async (t) => {
  if (process.getuid?.() !== 0) return t.pass('needs root', { skip: true });
  const envoy = await ensureEnvoy();
  const script = `
    const { PodHost } = await import(${JSON.stringify(new URL('../../../src/cli/demo/pod-host.ts', import.meta.url).href)});
    const host = await PodHost.start({ mode: 'netns', addresses: ['${network}'], envoyPath: '${envoy.path}' });
    await host.addPod({ name: 'one', addresses: ['10.143.15.10/24'] });
    await host.run({ pod: 'one', name: 'sleeper', argv: ['sleep', '98765'] });
    console.log(host.dir);
    setInterval(() => {}, 1000);`;
  const args = ['--import', import.meta.resolve('tsx'), '--input-type=module', '-e', script];
  const launcher = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  const dir = await new Promise<string>((resolve) => {
    launcher.stdout.once('data', (chunk) => resolve(String(chunk).trim()));
  });
  t.ok(existsSync(dir));
  t.ok(
    commands().some((line) => line.includes(dir)),
    'the pod host runs',
  );
  launcher.kill('SIGKILL');
  await until('everything gone', async () => {
    const left = commands().filter((line) => line.includes(dir) || line === 'sleep 98765');
    return left.length === 0 && !existsSync(dir) ? true : undefined;
  });
  t.notMatch(execFileSync('ip', ['link'], { encoding: 'utf8' }), 'mesh0');
});

t.test('what the machine does not allow is said, and nothing is left', async (t) => {
  const start = PodHost.start({
    mode: 'userns',
    addresses: ['not an address'],
    envoyPath: '/bin/true',
  });
  await t.rejects(start, { code: 'namespaces-not-possible' });
});

/** The command lines of all processes. */
function commands(): string[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map((pid) => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').trim();
      } catch {
        return '';
      }
    });
}
