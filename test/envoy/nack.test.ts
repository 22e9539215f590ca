// A configuration that we find right and an Envoy refuses, end to end and in both variants. The honest case: an Envoy
// whose bootstrap is not ours keeps its own limit on regular expressions (100 instructions), so a pattern that other
// proxies of the mesh take is refused by this one alone.
import t, { type Test } from 'tap';
import { buildBootstrap } from '../../src/cli/bootstrap.js';
import type { ProxyStatus } from '../../src/status/state.js';
import { cliRunner } from '../cli/run-cli.js';
import { startEnvoy } from './envoy-process.js';
import { LiveMesh, until } from './live-mesh.js';
import { get } from './load.js';

/** More than 100 instructions. */
const long = '/long[a-z]{1,200}';

const routing = (name: string, port: number, path: string) => `# A rule for ${name}
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: ${name} }
spec:
  hosts: [${name}]
  http:
    - match: [{ uri: { regex: '${path}' } }]
      directResponse: { status: 418 }
    - directResponse: { status: 200, body: { string: ${name} } }
---
apiVersion: v1
kind: Service
metadata: { name: ${name} }
spec:
  clusterIP: 240.240.0.${port % 250}
  ports: [{ name: http, port: ${port} }]
`;

t.setTimeout(90_000);
const runner = cliRunner();
t.teardown(() => runner.close());

/** A port that nobody listens on now. */
async function freePort(mesh: LiveMesh, host: string): Promise<number> {
  return mesh.backend(host, (_, response) => response.end());
}

async function metric(mesh: LiveMesh, line: RegExp): Promise<number> {
  const { text } = await mesh.server.controlPlane.metrics.page();
  return Number(line.exec(text)?.[1] ?? 0);
}

for (const [protocol, network] of [
  ['delta', 61],
  ['sotw', 62],
] as const) {
  t.test(`a refusal is seen everywhere, bounded, and gone when mended: ${protocol}`, async (t) => {
    const ip = `127.0.${network}.1`;
    const mesh = new LiveMesh({});
    t.teardown(() => mesh.stop());
    const bad = await freePort(mesh, `127.0.${network}.250`);
    const good = await freePort(mesh, `127.0.${network}.251`);
    mesh.write('bad.yaml', routing('bad', bad, '/short.*'));
    mesh.write('good.yaml', routing('good', good, '/short.*'));
    await mesh.startServer();
    await mesh.sidecar(ip, { name: 'ours', protocol });
    const limited = await limitedSidecar(t, mesh, { ip: `127.0.${network}.2`, protocol });
    await mesh.synced(2);
    t.equal((await at(ip, bad, 'bad')).body, 'bad');
    const pushesBefore = await pushes(mesh);

    mesh.write('bad.yaml', routing('bad', bad, long));
    const named = (name: string) => proxies(mesh).find((proxy) => proxy.name === name)!;
    const refusing = () => named('limited');
    await until(10_000, () => (refusing().types['RDS']?.heldBack ?? []).length === 2);
    await until(10_000, () => refusing().types['RDS']?.state === 'HELD');
    await until(10_000, () => named('ours').types['RDS']?.state === 'SYNCED');
    t.equal(named('ours').types['RDS']?.heldBack, undefined, 'where it is taken, it is in force');

    // The API, the log, the metric and the command line say the same.
    const { heldBack = [] } = refusing().types['RDS']!;
    const expected = [String(bad), 'http_proxy'].sort();
    t.same(heldBack.map(({ name }) => name).sort(), expected, 'the Envoy resources at fault');
    for (const { message, inForce, causes } of heldBack) {
      t.match(message, /program size/, "Envoy's words");
      t.ok(inForce, 'the last good version is served');
      t.equal(causes.length, 1, 'one cause, though http_proxy has the routes of all');
      t.match(causes[0], { kind: 'VirtualService', name: 'bad' });
      t.match(causes[0]?.position, { file: /bad\.yaml$/, line: 2, col: 1 });
    }
    const isRefusal = ({ code }: { code: string }) => code === 'refused-by-envoy';
    const problem = mesh.server.controlPlane.state.problems().find(isRefusal);
    t.match(problem, {
      severity: 'error',
      message: /program size/,
      proxy: refusing().id,
      resource: { kind: 'VirtualService', name: 'bad' },
      position: { file: /bad\.yaml$/, line: 2, col: 1 },
    });
    const said = mesh.log.filter(({ message }) => message.startsWith('a proxy refused'));
    t.equal(said.length, 2, 'said once for each');
    t.match(said[0], { level: 'error', fields: { proxies: [refusing().id], type: 'RDS' } });
    t.equal(await metric(mesh, /fairlead_xds_nacks_total\{type="RDS"\} (\d+)/), 3);
    t.equal(await metric(mesh, /fairlead_xds_held_back\{type="RDS"\} (\d+)/), 2);
    t.ok(
      (await metric(mesh, /fairlead_problems\{code="refused-by-envoy",severity="error"\} (\d+)/)) >
        0,
    );
    const status = await runner.run(['proxy-status', '--admin', mesh.server.admin]);
    t.equal(status.code, 1);
    t.match(status.stdout, /limited\.default +sidecar +SYNCED +SYNCED +\S+ +HELD/);
    t.match(
      status.stdout,
      /RDS http_proxy held back \(last good version in force\): .*program size/s,
    );
    t.match(status.stdout, /VirtualService\/default\/bad at \S+bad\.yaml:2:1/);
    const one = await runner.run(['ps', 'ours', '--admin', mesh.server.admin]);
    t.equal(one.code, 0, 'the other proxy is fine');

    // It stays so: nothing is pushed again and again.
    const pushed = await pushes(mesh);
    await new Promise((resolve) => setTimeout(resolve, 700));
    t.equal(await pushes(mesh), pushed, 'no spinning');
    t.ok(pushed - pushesBefore <= 12, `a few pushes (${pushed - pushesBefore})`);

    // Everything else goes on, at the proxy that refuses too: other types, and other ports' routes.
    mesh.write('extra.yaml', routing('extra', bad, '/extra').split('---')[1]!);
    mesh.write('good.yaml', routing('good', good, '/other.*'));
    await until(5000, async () => (await at(ip, good, 'good', '/other1')).status === 418);
    await until(5000, async () => (await limited.admin('/clusters')).includes(`|${bad}||extra.`));
    const its = refusing().id.split('~')[1]!;
    t.equal((await at(its, bad, 'bad', '/short1')).status, 418, 'the last good version');
    await until(5000, async () => (await at(its, good, 'good', '/other1')).status === 418);
    // What one refused is kept from all until another has accepted it.
    await until(5000, async () => (await at(ip, bad, 'bad', '/longer')).status === 418);

    mesh.write('bad.yaml', routing('bad', bad, '/mended.*'));
    await mesh.synced(2);
    t.equal((await at(its, bad, 'bad', '/mended1')).status, 418);
    t.equal(refusing().types['RDS']?.heldBack, undefined);
    await until(5000, () => !mesh.server.controlPlane.state.problems().some(isRefusal));
    t.ok(mesh.log.some(({ message }) => message.endsWith('is held back no more')));
    t.equal((await runner.run(['proxy-status', '--admin', mesh.server.admin])).code, 0);
  });
}

function proxies(mesh: LiveMesh): ProxyStatus[] {
  return mesh.server.controlPlane.state.proxies();
}

async function pushes(mesh: LiveMesh): Promise<number> {
  const { text } = await mesh.server.controlPlane.metrics.page();
  const counts = [...text.matchAll(/fairlead_xds_pushes_total\{type="\w+"\} (\d+)/g)];
  return counts.reduce((sum, [, count]) => sum + Number(count), 0);
}

function at(ip: string, port: number, host: string, path = '/') {
  return get(`http://${ip}:${port}${path}`, { headers: { host } });
}

/** An Envoy with a bootstrap of its own, which keeps Envoy's limits. */
async function limitedSidecar(
  t: Test,
  mesh: LiveMesh,
  { ip, protocol }: { ip: string; protocol: 'delta' | 'sotw' },
) {
  const {
    admin: _admin,
    layered_runtime: _runtime,
    ...bootstrap
  } = buildBootstrap({
    type: 'sidecar',
    name: 'limited',
    ips: [ip],
    interceptionMode: 'NONE',
    xds: mesh.server.xds[0]!,
    xdsProtocol: protocol,
    metricsPort: 0,
    healthPort: 0,
  });
  const layers = [
    { name: 'own', static_layer: { 're2.max_program_size.error_level': 100 } },
    { name: 'admin', admin_layer: {} },
  ];
  const envoy = await startEnvoy({ bootstrap: { ...bootstrap, layered_runtime: { layers } } });
  t.teardown(() => envoy.stop());
  return envoy;
}
