// What the API says of the servers of a Gateway, with a real Envoy as the router; and that it shows no keys.
import { join } from 'node:path';
import { connect } from 'node:tls';
import t from 'tap';
import { TestCa } from '../xds/certificates.js';
import { LiveMesh, until } from './live-mesh.js';

t.setTimeout(60_000);

const ip = '127.31.7.1';
const ca = new TestCa();
const { cert, key } = ca.issue({ names: ['a.test'] });
const secret = (text: object) =>
  JSON.stringify({
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name: 'a' },
    type: 'kubernetes.io/tls',
    stringData: text,
  });
const gateway = `
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: g}
spec:
  selector: {istio: ingressgateway}
  servers:
    - name: plain
      port: {number: 8080, name: http, protocol: HTTP}
      bind: ${ip}
      hosts: [a.test, ./b.test]
    - port: {number: 8443, name: https, protocol: HTTPS}
      bind: ${ip}
      hosts: [a.test]
      tls: {mode: SIMPLE, credentialName: a}
`;

interface Shown {
  spec: unknown;
  status?: { servers: { state: string; reason?: string; routers: string[] }[] };
}

t.test('servers and their routers', async (t) => {
  const mesh = new LiveMesh({ 'gateway.yaml': gateway });
  t.teardown(() => mesh.stop());
  await mesh.startServer();
  const get = async (path: string) => {
    const response = await fetch(`http://${mesh.server.admin}/api/v1${path}`);
    return (await response.json()) as Shown;
  };
  const servers = async () => (await get('/resources/Gateway/default/g')).status?.servers ?? [];
  const states = async () => (await servers()).map(({ state }) => state);
  t.strictSame(await states(), ['no-router', 'no-router']);

  const router = { type: 'router', name: 'gw', labels: { istio: 'ingressgateway' } } as const;
  await mesh.sidecar(ip, router);
  await until(10_000, async () => (await states())[0] === 'served');
  t.strictSame(await states(), ['served', 'refused']);
  const [plain, https] = await servers();
  t.match(plain, {
    name: 'plain',
    listenerPort: 8080,
    hosts: ['a.test', 'default/b.test'],
    routers: ['gw.default'],
  });
  t.equal(https?.reason, 'there is no Secret a');
  const problems = mesh.server.controlPlane.state.problems();
  t.match(problems, [
    { code: 'invalid-credential', position: { file: /gateway\.yaml$/, line: 15, col: 43 } },
  ]);

  await mesh.applied(() => mesh.write('a.json', secret({ 'tls.crt': cert, 'tls.key': key })));
  await until(10_000, async () => (await states())[1] === 'served');
  t.strictSame(mesh.server.controlPlane.state.problems(), []);

  const shown = JSON.stringify([
    await get('/resources'),
    await get('/resources/Secret/default/a'),
    await get('/proxies'),
    await get('/proxies/gw/config'),
  ]);
  t.match(shown, /"tls.key":"\(not shown\)"/, 'the Secret is listed');
  const line = (pem: string) => pem.split('\n')[1]!;
  t.notOk(shown.includes(line(key)), 'without its key');
  t.notOk(shown.includes(line(cert)), 'and without its certificate');
  t.notMatch(JSON.stringify(mesh.log), line(key), 'nor does the log have it');

  // A key that does not match: the last good certificate stays in force, and the file is named.
  const broken = secret({ 'tls.crt': cert, 'tls.key': ca.issue().key });
  mesh.write('a.json', broken);
  await until(10_000, () => mesh.server.controlPlane.state.problems().length > 0);
  t.match(mesh.server.controlPlane.state.problems(), [
    { code: 'invalid-value', position: { file: /a\.json$/ }, resource: { kind: 'Secret' } },
  ]);
  t.strictSame(await states(), ['served', 'served']);
});

t.test('a certificate that is no file on the host of the gateway', async (t) => {
  const nowhere = join(t.testdir(), 'tls');
  const own = '127.31.7.2';
  const mesh = new LiveMesh({
    'a.json': secret({ 'tls.crt': cert, 'tls.key': key }),
    'gateway.yaml': gateway
      .replaceAll(ip, own)
      .concat(
        '    - port: {number: 8443, name: files, protocol: HTTPS}\n',
        `      bind: ${own}\n      hosts: [b.test]\n`,
        `      tls: {mode: SIMPLE, serverCertificate: ${nowhere}.crt, privateKey: ${nowhere}.key}\n`,
      ),
  });
  t.teardown(() => mesh.stop());
  await mesh.startServer();
  await mesh.sidecar(own, { type: 'router', name: 'gw', labels: { istio: 'ingressgateway' } });
  const { state } = mesh.server.controlPlane;
  const servers = () => {
    const [shown] = state.resources({ kind: 'Gateway' }) as unknown as Shown[];
    return shown?.status?.servers ?? [];
  };
  await until(10_000, () => servers()[2]?.state === 'refused');
  t.match(servers()[2]?.reason, nowhere, 'in the words of Envoy');
  await until(10_000, () => servers()[1]?.state === 'served');
  t.equal(servers()[0]?.state, 'served');
  t.match(state.problems(), [
    { code: 'refused-by-envoy', resource: { kind: 'Gateway', name: 'g' } },
  ]);
  const secure = await new Promise((resolve, reject) => {
    const options = { host: own, port: 8443, servername: 'a.test', ca: ca.cert };
    const socket = connect(options, () => resolve(socket.end().authorized));
    socket.on('error', reject);
  });
  t.equal(secure, true, 'the other server of the port is there');
});
