// `serve` and `bootstrap` together, with real Envoys: TLS, client certificates, tokens, the namespace that an identity
// may claim, rotation while streams are open; and which plaintext addresses are refused.
import { mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { type BootstrapOptions, buildBootstrap } from '../../src/cli/bootstrap.js';
import type { XdsTlsOptions } from '../../src/cli/bootstrap-xds-tls.js';
import { startServer } from '../../src/cli/serve.js';
import { checkPlaintext } from '../../src/cli/xds-security.js';
import { type EnvoyProcess, startEnvoy } from '../envoy/envoy-process.js';
import { until } from '../envoy/live-mesh.js';
import { type KeyPair, TestCa } from '../xds/certificates.js';
import { cliRunner } from './run-cli.js';

t.setTimeout(120_000);

const scratch = mkdtempSync(join(tmpdir(), 'fairlead-xds-security-'));
t.teardown(() => rmSync(scratch, { recursive: true, force: true }));
const runner = cliRunner();
t.teardown(() => runner.close());

const ca = new TestCa('ca of the control plane');
const workloads = new TestCa('ca of workloads');
const web = workloads.issue({ names: ['spiffe://cluster.local/ns/shop/sa/web'] });

function put(name: string, content: string): string {
  const path = join(scratch, name);
  writeFileSync(`${path}.new`, content);
  renameSync(`${path}.new`, path);
  return path;
}

function pair(name: string, { cert, key }: KeyPair) {
  return { certFile: put(`${name}.pem`, cert), keyFile: put(`${name}.key`, key) };
}

const service = (name: string) =>
  `apiVersion: v1\nkind: Service\nmetadata: { name: ${name}, namespace: shop }\n` +
  'spec: { ports: [{ name: http, port: 8080 }] }\n';

interface Line {
  message: string;
  [field: string]: unknown;
}

/** A server with TLS, client certificates and tokens on a directory of its own. */
async function serve(t: Test) {
  const config = mkdtempSync(join(scratch, 'mesh-'));
  writeFileSync(join(config, 'first.yaml'), service('first'));
  const lines: Line[] = [];
  const note = (fields: object, message: string) => void lines.push({ ...fields, message });
  const server = await startServer({
    ...{ config, xds: [], xdsTls: ['127.0.0.1:0'], admin: '127.0.0.1:0' },
    log: { info: note, warn: note, error: note },
    xdsSecurity: {
      ...pair('server', ca.issue({ names: ['127.0.0.1'] })),
      clientCaFile: put('workloads.pem', workloads.cert),
      tokenFile: put('tokens', 'the-token-of-the-shop shop\nthe-token-for-all\n'),
    },
  });
  t.teardown(() => server.stop());
  const proxies = async () => {
    const answer = await fetch(`http://${server.admin}/api/v1/proxies`);
    const { items } = (await answer.json()) as { items: { identity?: string }[] };
    return items.map(({ identity }) => identity);
  };
  return { server, config, lines, proxies };
}

type Running = Awaited<ReturnType<typeof serve>>;

/** A gateway's Envoy: it is sent clusters, and without a Gateway resource no listener that takes a fixed port. */
async function envoy(
  t: Test,
  { server }: Running,
  options: Partial<BootstrapOptions> & { waitFor?: 'admin' } = {},
): Promise<EnvoyProcess> {
  const { waitFor, ...more } = options;
  const bootstrap = buildBootstrap({
    ...{ type: 'router', name: 'web', namespace: 'shop', xds: server.xdsTls[0]! },
    ...{ admin: '127.0.0.1:0', metricsPort: 0, healthPort: 0 },
    ...more,
  });
  // Why a stream was closed is said at once only at this level.
  const args = ['--component-log-level', 'config:debug'];
  const running = await startEnvoy({ bootstrap, args, ...(waitFor && { waitFor }) });
  t.teardown(() => running.stop());
  return running;
}

const trusted = (): XdsTlsOptions => ({ caFile: put('ca.pem', ca.cert) });
const withCertificate = (name: string, keys: KeyPair): XdsTlsOptions => ({
  ...trusted(),
  ...pair(name, keys),
});

t.test('Envoys with a certificate or a token are served, through rotated keys', async (t) => {
  const running = await serve(t);
  const { lines, config } = running;
  const secured = await envoy(t, running, {
    serviceAccount: 'web',
    xdsTls: withCertificate('web', web),
  });
  t.strictSame(await running.proxies(), ['spiffe://cluster.local/ns/shop/sa/web']);
  const token = 'the-token-of-the-shop';
  await envoy(t, running, { name: 'other', xdsTls: { ...trusted(), token }, xdsProtocol: 'sotw' });
  t.strictSame((await running.proxies()).toSorted(), [
    'spiffe://cluster.local/ns/shop/sa/web',
    'token 1',
  ]);

  const nextCa = new TestCa('the next ca');
  const next = nextCa.issue({ names: ['127.0.0.1'] });
  put('server.pem', next.cert);
  put('server.key', next.key);
  await until(20_000, () => lines.some(({ message }) => message.endsWith('were read again')));
  writeFileSync(join(config, 'second.yaml'), service('second'));
  const clusters = async () => (await secured.admin('/clusters')).includes('second.shop');
  for (let tries = 0; tries < 100 && !(await clusters()); tries++) {
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  t.ok(await clusters(), 'the open stream is served on');
  t.equal(await secured.stat('cluster.xds-grpc;.upstream_cx_total'), 1, 'over the same connection');
  await envoy(t, running, {
    name: 'late',
    xdsTls: { token: 'the-token-for-all', caFile: put('next-ca.pem', nextCa.cert) },
  });
  t.equal((await running.proxies()).length, 3, 'new connections see the new certificate');
});

t.test('Envoys that are not who they say get nothing', async (t) => {
  const running = await serve(t);
  const { lines } = running;
  const refusals: [string, Partial<BootstrapOptions>, RegExp][] = [
    [
      'of another namespace',
      { namespace: 'bank', xdsTls: withCertificate('web', web) },
      /ns\/shop\/sa\/web may not be bank\/default/,
    ],
    [
      'of another service account',
      { serviceAccount: 'root', xdsTls: withCertificate('web', web) },
      /may not be shop\/root/,
    ],
    [
      'with a token of another namespace',
      { namespace: 'bank', xdsTls: { ...trusted(), token: 'the-token-of-the-shop' } },
      /token 1 may not be bank/,
    ],
    [
      'with a certificate that names no workload',
      { xdsTls: withCertificate('plain', workloads.issue({ commonName: 'web' })) },
      /CN=web may not be shop/,
    ],
    ['with an unknown token', { xdsTls: { ...trusted(), token: 'x' } }, /token is not known/],
    ['with nothing', { xdsTls: trusted() }, /a bearer token is needed/],
  ];
  for (const [name, options, message] of refusals) {
    const refused = await envoy(t, running, { ...options, waitFor: 'admin' });
    // A status message on the wire has its spaces encoded, and Envoy logs it so.
    const log = () => refused.log().replaceAll('%20', ' ');
    await until(10_000, () => message.test(log()));
    t.match(log(), message, name);
    t.equal(await refused.stat('cluster_manager.cds.update_success'), 0);
    await refused.stop();
  }
  const [first] = lines.filter(({ identity }) => identity !== undefined);
  t.match(first, { message: 'an xDS client is not who it says', namespace: 'bank' });
  t.strictSame(await running.proxies(), []);
});

t.test('a control plane whose certificate is wrong is not believed', async (t) => {
  const running = await serve(t);
  const token = 'the-token-for-all';
  const cases: [string, XdsTlsOptions][] = [
    ['another CA', { caFile: put('workloads-ca.pem', workloads.cert), token }],
    ['another name', { ...trusted(), serverName: 'control-plane.example', token }],
  ];
  for (const [name, xdsTls] of cases) {
    const doubting = await envoy(t, running, { xdsTls, waitFor: 'admin' });
    const failures = () => doubting.stat('cluster.xds-grpc;.upstream_cx_connect_fail');
    for (let tries = 0; tries < 100 && (await failures()) === 0; tries++) {
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    t.ok((await failures()) > 0, name);
    await doubting.stop();
  }
  t.strictSame(await running.proxies(), []);
});

t.test(
  'plaintext: loopback always, elsewhere with a warning, beside TLS only when said',
  async (t) => {
    const everywhere = { host: '0.0.0.0', port: 1 };
    t.equal(checkPlaintext({ host: '127.0.0.1', port: 1 }, { tokenFile: 'x' }), undefined);
    t.equal(checkPlaintext({ path: '/x' }, { certFile: 'x' }), undefined);
    t.match(checkPlaintext(everywhere, {}), /anybody who reaches it/);
    t.equal(checkPlaintext(everywhere, { plaintextAnywhere: true }), undefined);
    t.equal(checkPlaintext(everywhere, { tokenFile: 'x', plaintextAnywhere: true }), undefined);
    for (const options of [{ tokenFile: 'x' }, { certFile: 'x' }]) {
      t.throws(() => checkPlaintext(everywhere, options), { message: /use --xds-tls/ });
    }
  },
);

t.test('wrong usage of the flags is one line', async (t) => {
  const config = join(scratch, 'empty');
  mkdirSync(config);
  const { certFile, keyFile } = pair('cli', ca.issue());
  const keys = ['--xds-tls-cert', certFile, '--xds-tls-key', keyFile];
  const cases: [string[], number, RegExp][] = [
    [['--xds-tls', '127.0.0.1:0'], 2, /--xds-tls needs/],
    [['--xds-tls', '127.0.0.1:0', '--xds-tls-cert', certFile], 2, /go together/],
    [['--xds-tls-client-ca', certFile], 2, /needs --xds-tls-cert/],
    [[...keys, '--xds', '0.0.0.0:0'], 1, /use --xds-tls, or say --xds-plaintext-anywhere/],
    [['--xds-tls-cert', keyFile, '--xds-tls-key', keyFile], 1, /whole certificates/],
    [['--xds-token-file', join(scratch, 'none')], 1, /none: ENOENT/],
  ];
  for (const [words, code, message] of cases) {
    const all = ['serve', '--config', config, '--admin', '127.0.0.1:0', ...words];
    const result = await runner.run(all);
    t.match(result, { code, stderr: message }, words.join(' '));
  }
  const tls = ['--xds-ca', certFile, '--xds-client-cert', certFile];
  const bad = await runner.run(['bootstrap', '--name', 'a', ...tls]);
  t.match(bad, { code: 2, stderr: /go together/ });
  const token = ['--xds-token-file', put('one-token', '# mine\nabc shop\n')];
  const good = await runner.run([
    'bootstrap',
    '--name',
    'a',
    ...tls,
    '--xds-client-key',
    keyFile,
    ...token,
  ]);
  t.match(JSON.parse(good.stdout), {
    dynamic_resources: {
      ads_config: {
        grpc_services: [{ initial_metadata: [{ key: 'authorization', value: 'Bearer abc' }] }],
      },
    },
    static_resources: { clusters: [{ transport_socket: { name: 'envoy.transport_sockets.tls' } }] },
  });
});
