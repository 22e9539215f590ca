// The commands that ask a running server, against one in this process with simulated sidecars: what they print is
// what the same question gives offline.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { startServer } from '../../src/cli/serve.js';
import { Fleet, SimulatedSidecar } from '../bench/simulated-sidecar.js';
import { until } from '../envoy/live-mesh.js';
import { cliRunner } from './run-cli.js';

t.setTimeout(60_000);
const scratch = mkdtempSync(join(tmpdir(), 'fairlead-online-'));
const mesh = join(scratch, 'mesh');
mkdirSync(mesh);
writeFileSync(
  join(mesh, 'mesh.yaml'),
  `apiVersion: v1
kind: Service
metadata: { name: shop }
spec: { ports: [{ name: http, port: 8080 }] }
---
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: { name: web-1 }
spec: { address: 10.0.0.1, weight: much }
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: other }
spec:
  hosts: [shop]
  http:
    - route: [{ destination: { host: nobody } }]
    - route: [{ destination: { host: shop } }]
`,
);
const log = { info() {}, warn() {}, error() {} };
const server = await startServer({ config: mesh, xds: ['127.0.0.1:0'], admin: '127.0.0.1:0', log });
const runner = cliRunner();
const sidecars: SimulatedSidecar[] = [];
t.teardown(async () => {
  runner.close();
  for (const sidecar of sidecars) sidecar.close();
  await server.stop();
  rmSync(scratch, { recursive: true, force: true });
});
for (const name of ['web-1', 'web-2']) {
  const id = `sidecar~10.0.0.1~${name}.default~default.svc.cluster.local`;
  sidecars.push(new SimulatedSidecar(server.xds[0]!, { id, cluster: 'web' }, new Fleet()));
}
const { state } = server.controlPlane;
await until(
  10_000,
  () => state.proxies().filter(({ types }) => types['RDS']?.state === 'SYNCED').length === 2,
);
const ask = (...words: string[]) => runner.run([...words, '--admin', server.admin]);
const offline = (...words: string[]) => runner.run([...words, '--config', mesh]);

t.test('analyze says the same of a server and of its directory', async (t) => {
  const live = await ask('analyze', '-o', 'json');
  const read = await offline('analyze', '-o', 'json');
  t.equal(live.code, 1);
  t.strictSame(JSON.parse(live.stdout), JSON.parse(read.stdout));
  const codes = JSON.parse(live.stdout).map(({ code }: { code: string }) => code);
  t.ok(codes.includes('unknown-host') && codes.includes('unreachable-rule'), codes.join(' '));
  t.equal((await ask('analyze')).stdout, (await offline('analyze')).stdout);
});

t.test('proxy-status', async (t) => {
  const table = await ask('proxy-status');
  t.equal(table.code, 0);
  const [header, ...rows] = table.stdout.trim().split('\n');
  t.match(header, /^NAME +TYPE +CDS +LDS +EDS +RDS +PROTOCOL +ENVOY +CONNECTED$/);
  t.match(rows, [
    /^web-1\.default +sidecar( +SYNCED){4} +delta/,
    /^web-2\.default +sidecar( +SYNCED){4} +delta/,
  ]);
  const one = JSON.parse((await ask('ps', 'web-2', '-o', 'json')).stdout);
  t.match(one, [{ name: 'web-2', types: { CDS: { state: 'SYNCED' } } }]);
  t.equal(one.length, 1);
  const nobody = await ask('ps', 'nobody');
  t.match(nobody, { code: 1, stdout: '', stderr: 'fairlead: no proxy nobody is connected\n' });
});

t.test('proxy-config of a connected proxy is what translate makes for it', async (t) => {
  const live = await ask('proxy-config', 'all', 'web-1.default', '-o', 'json');
  t.equal(live.code, 0);
  const identity = ['--node', 'sidecar~10.0.0.1~web-1.default~default.svc.cluster.local'];
  const read = await offline('translate', ...identity);
  t.strictSame(JSON.parse(live.stdout), JSON.parse(read.stdout));
  const table = await ask('pc', 'clusters', 'web-1', '--host', 'shop', '--port', '8080');
  t.match(table.stdout, /^SERVICE FQDN.*\nshop\.default\.svc\.cluster\.local +8080[^\n]*\n$/);
  const nobody = await ask('pc', 'clusters', 'nobody');
  t.match(nobody, { code: 1, stderr: 'fairlead: no proxy nobody\n' });
});
