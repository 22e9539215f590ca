// The life of `fairlead serve` as a process: what it refuses at the start, how it ends, and that nothing is left
// behind. Real signals, real sockets; no fixed ports.
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { isLoopback, parseAddress } from '../../src/cli/address.js';
import { Fleet, SimulatedSidecar } from '../bench/simulated-sidecar.js';
import { until } from '../envoy/live-mesh.js';
import { type CliOptions, cli, cliRunner, type RunningCli, startCli } from './run-cli.js';

// Several processes, one after the other, on machines that may be busy.
t.setTimeout(120_000);

const scratch = mkdtempSync(join(tmpdir(), 'fairlead-serve-'));
t.teardown(() => rmSync(scratch, { recursive: true, force: true }));
const runner = cliRunner();
t.teardown(() => runner.close());
const mesh = join(scratch, 'mesh');
mkdirSync(mesh);
writeFileSync(
  join(mesh, 'mesh.yaml'),
  `apiVersion: v1
kind: Service
metadata: { name: shop }
spec: { ports: [{ name: http, port: 8080 }] }
`,
);

interface Served extends RunningCli {
  xds: string[];
  admin: string;
}

/** Starts `serve` on free ports and waits until it serves. */
async function serve(t: Test, words: readonly string[] = [], options: CliOptions = {}) {
  const running = startCli(
    ['serve', '--config', mesh, '--admin', '127.0.0.1:0', ...words],
    options,
  );
  t.teardown(() => running.child.kill('SIGKILL'));
  const serving = () => running.log().find(({ msg }) => msg === 'serving');
  await until(20_000, () => serving() !== undefined || running.child.exitCode !== null);
  const { xds, admin } = serving() as unknown as Served;
  return Object.assign(running, { xds, admin });
}

/** A listener on a free port, to be in the way. */
async function occupy(t: Test): Promise<string> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => server.close());
  return `127.0.0.1:${(server.address() as { port: number }).port}`;
}

function simulated(t: Test, address: string): { sidecar: SimulatedSidecar; fleet: Fleet } {
  const fleet = new Fleet();
  const id = 'sidecar~10.0.0.1~web.default~default.svc.cluster.local';
  const sidecar = new SimulatedSidecar(address, { id, cluster: 'web' }, fleet);
  t.teardown(() => sidecar.close());
  return { sidecar, fleet };
}

t.test('what cannot be had is one line on standard error and exit code 1', async (t) => {
  const taken = await occupy(t);
  const free = ['--xds', '127.0.0.1:0', '--admin', '127.0.0.1:0'];
  const notASocket = join(scratch, 'file');
  writeFileSync(notASocket, 'precious');
  const cases: [string, string[], RegExp][] = [
    ['no directory', ['--config', join(scratch, 'nothing'), ...free], /nothing cannot be read: /],
    ['a file', ['--config', join(mesh, 'mesh.yaml'), ...free], /mesh\.yaml cannot be read: /],
    ['xDS port in use', ['--config', mesh, ...free, '--xds', taken], /xDS .*: .*EADDRINUSE/],
    ['admin port in use', ['--config', mesh, ...free, '--admin', taken], /admin .*: .*EADDRINUSE/],
    ['not a socket', ['--config', mesh, ...free, '--xds', `unix:${notASocket}`], /is no socket/],
    [
      'admin off loopback',
      ['--config', mesh, ...free, '--admin', '0.0.0.0:0'],
      /only with a token/,
    ],
    [
      '... by name',
      ['--config', mesh, ...free, '--admin', '127.example.com:0'],
      /only with a token/,
    ],
    ['... all addresses', ['--config', mesh, ...free, '--admin', ':0'], /only with a token/],
    [
      'no mesh configuration',
      ['--config', mesh, ...free, '--mesh-config', join(scratch, 'none.yaml')],
      /none\.yaml/,
    ],
  ];
  for (const [name, words, message] of cases) {
    const { code, stdout, stderr } = await runner.run(['serve', '--log-level', 'error', ...words]);
    t.equal(code, 1, name);
    t.equal(stdout, '');
    t.match(stderr, message, name);
    t.match(stderr, /^fairlead: [^\n]+\n$/, `${name}: one line`);
  }
  const grace = await runner.run(['serve', '--config', mesh, '--registration-grace', '4000']);
  t.equal(grace.code, 2);
  t.match(grace.stderr, /--registration-grace is at most 3600/);
  const words = ['serve', '--config', mesh, ...free, '--xds', taken];
  t.match(await cli(words), { code: 1, signal: null }, 'the process ends, nothing hangs');
  t.ok(existsSync(notASocket), 'a file that is no socket is left alone');
});

for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  t.test(
    `${signal} ends it in order, whoever hangs on it, and a second one changes nothing`,
    async (t) => {
      const socket = join(scratch, `${signal}.sock`);
      const running = await serve(t, ['--xds', '127.0.0.1:0', '--xds', `unix:${socket}`]);
      const { fleet } = simulated(t, running.xds[0]!);
      const other = simulated(t, `unix:${socket}`);
      await until(10_000, () => fleet.responses > 1 && other.fleet.responses > 1);
      const half = await hang(t, running.admin, 'GET /api/v1/proxies HTTP/1.1\r\nHost: a\r\n');
      const idle = await hang(t, running.admin, '');
      const startMs = performance.now();
      running.child.kill(signal);
      setTimeout(() => running.child.kill(signal), 50);
      setTimeout(() => running.child.kill(signal === 'SIGINT' ? 'SIGTERM' : 'SIGINT'), 100);
      const { code, signal: killedBy } = await running.ended;
      const tookMs = performance.now() - startMs;
      t.equal(code, 0, `ended by itself, not by ${killedBy}`);
      t.ok(tookMs < 3000, `within 3 s (${tookMs.toFixed(0)} ms)`);
      t.notOk(existsSync(socket), 'the socket file is gone');
      half.destroy();
      idle.destroy();
      t.notMatch(running.stderr(), /"level":50/, 'no error in the log');
    },
  );
}

function hang(t: Test, address: string, text: string): Promise<Socket> {
  const [host, port] = address.split(':');
  return new Promise((resolve, reject) => {
    const socket = connect({ host: host!, port: Number(port) }, () => {
      socket.write(text, () => resolve(socket));
    });
    socket.on('error', reject);
    t.teardown(() => socket.destroy());
  });
}

t.test('a bug is never silent: a rejection is logged, an exception ends it in order', async (t) => {
  // What goes wrong is loaded beside the program, and happens on a signal.
  const code = `process.on('SIGUSR2', () => {
    if (!globalThis.once) { globalThis.once = true; Promise.reject(new Error('rejected')); }
    else throw new Error('thrown');
  });`;
  const env = { NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(code)}` };
  const running = await serve(t, ['--xds', '127.0.0.1:0'], { env });
  const { fleet } = simulated(t, running.xds[0]!);
  const logged = (text: string) => running.log().find(({ error }) => error === text);
  running.child.kill('SIGUSR2');
  await until(5000, () => logged('rejected') !== undefined);
  t.match(logged('rejected'), { level: 50, stack: /data:text/ });
  await until(5000, () => fleet.responses > 1);
  t.equal((await runner.run(['proxy-status', '--admin', running.admin])).code, 0, 'it serves on');
  running.child.kill('SIGUSR2');
  const { code: exitCode, signal } = await running.ended;
  t.equal(exitCode, 1, `ended by itself, not by ${signal}`);
  t.match(logged('thrown'), { level: 50, msg: /an exception that nobody caught/ });
});

t.test('a socket file of a server that was killed is replaced, one in use is not', async (t) => {
  const path = join(scratch, 'stale.sock');
  const first = await serve(t, ['--xds', `unix:${path}`]);
  const second = await runner.run([
    'serve',
    '--log-level',
    'error',
    '--config',
    mesh,
    '--admin',
    '127.0.0.1:0',
    '--xds',
    `unix:${path}`,
  ]);
  t.equal(second.code, 1);
  t.match(second.stderr, /another process listens on .*stale\.sock/);
  first.child.kill('SIGKILL');
  await first.ended;
  t.ok(existsSync(path), 'left behind');
  const third = await serve(t, ['--xds', `unix:${path}`]);
  const { fleet } = simulated(t, third.xds[0]!);
  await until(10_000, () => fleet.responses > 0);
  third.child.kill('SIGTERM');
  t.equal((await third.ended).code, 0);
  t.notOk(existsSync(path));
});

t.test('addresses off loopback and IPv6', async (t) => {
  const open = await serve(t, ['--xds', '0.0.0.0:0', '--xds', '[::1]:0', '--admin', '0.0.0.0:0'], {
    env: { FAIRLEAD_ADMIN_TOKEN: 'secret' },
  });
  const warnings = open.log().filter(({ level }) => level === 40);
  t.equal(warnings.length, 1, 'one warning, for the one that is open');
  t.match(warnings[0], { xds: '0.0.0.0:0', msg: /plaintext/ });
  t.match(open.xds, [/^0\.0\.0\.0:\d+$/, /^\[::1\]:\d+$/]);
  const { fleet } = simulated(t, open.xds[1]!);
  await until(10_000, () => fleet.responses > 1);
  const port = open.admin.split(':').at(-1);
  t.equal((await runner.run(['proxy-status', '--admin', `:${port}`])).code, 0);
  open.child.kill('SIGTERM');
  t.equal((await open.ended).code, 0);
});

t.test('loopback is what no other machine reaches', async (t) => {
  for (const host of ['127.0.0.1', '127.255.0.9', '::1', '0:0:0:0:0:0:0:1', 'localhost']) {
    t.ok(isLoopback(host), host);
  }
  for (const host of [
    '0.0.0.0',
    '::',
    '10.0.0.1',
    '127.example.com',
    '127.0.0.1.example',
    'fe80::1',
  ]) {
    t.notOk(isLoopback(host), host);
  }
  t.strictSame(parseAddress('[::1]:15010'), { host: '::1', port: 15010 });
  t.strictSame(parseAddress(':15010'), { host: '0.0.0.0', port: 15010 });
  t.strictSame(parseAddress('unix:/run/x.sock'), { path: '/run/x.sock' });
  t.strictSame(parseAddress('control-plane:15010'), { host: 'control-plane', port: 15010 });
  for (const text of [
    '',
    'host',
    '1:2:3',
    '[::1]',
    'http://a:1',
    'a:65536',
    '[127.0.0.1]:1',
    'a b:1',
  ]) {
    t.throws(() => parseAddress(text), { code: 'usage' }, text);
  }
});
