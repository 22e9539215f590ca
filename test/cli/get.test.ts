// `fairlead get`: resources as manifests with their status, of a directory and of a server; never what Secrets hold.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { parse } from 'yaml';
import { startServer } from '../../src/cli/serve.js';
import { TestCa } from '../xds/certificates.js';
import { cliRunner } from './run-cli.js';

t.setTimeout(60_000);
const scratch = mkdtempSync(join(tmpdir(), 'fairlead-get-'));
const mesh = join(scratch, 'mesh');
mkdirSync(mesh);
const pair = new TestCa().issue();
const lastApplied = JSON.stringify({ stringData: { 'tls.key': pair.key } });
const metadata = {
  ...{ name: 'cert', namespace: 'default' },
  annotations: { 'kubectl.kubernetes.io/last-applied-configuration': lastApplied, note: 'x' },
};
writeFileSync(
  join(mesh, 'mesh.yaml'),
  `apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: { name: web, generation: 3, creationTimestamp: '2026-01-01T00:00:00Z' }
spec:
  gatewayClassName: istio
  listeners:
    - { name: http, port: 80, protocol: HTTP }
    - { name: https, port: 443, protocol: HTTPS, tls: { certificateRefs: [{ name: cert }] } }
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: { name: web, namespace: other }
spec: { servers: [{ port: { number: 80, name: http, protocol: HTTP }, hosts: ['*'] }] }
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: { name: shop, labels: { app: shop } }
spec:
  parentRefs: [{ name: web, sectionName: http }]
  rules: [{ backendRefs: [{ name: nobody, port: 80 }], timeouts: { request: 1500ms } }]
---
apiVersion: gateway.networking.k8s.io/v1
kind: GatewayClass
metadata: { name: mine }
spec: { controllerName: fairlead.io/gateway-controller }
---
${JSON.stringify({
  ...{ apiVersion: 'v1', kind: 'Secret', metadata, type: 'kubernetes.io/tls' },
  stringData: { 'tls.crt': pair.cert, 'tls.key': pair.key },
})}
`,
);
const log = { info() {}, warn() {}, error() {} };
const server = await startServer({ config: mesh, xds: ['127.0.0.1:0'], admin: '127.0.0.1:0', log });
const runner = cliRunner();
t.teardown(async () => {
  runner.close();
  await server.stop();
  rmSync(scratch, { recursive: true, force: true });
});
const sources = [
  ['a directory', ['--config', mesh]],
  ['a server', ['--admin', server.admin]],
] as const;

for (const [what, flags] of sources) {
  const get = (...words: string[]) => runner.run(['get', ...words, ...flags]);

  t.test(`${what}: a manifest with its status`, async (t) => {
    const { code, stdout } = await get('httproute', 'shop', '-o', 'yaml');
    t.equal(code, 0);
    const manifest = parse(stdout) as Record<string, unknown>;
    t.match(manifest, {
      apiVersion: 'gateway.networking.k8s.io/v1',
      kind: 'HTTPRoute',
      metadata: { name: 'shop', namespace: 'default', labels: { app: 'shop' } },
      spec: { rules: [{ timeouts: { request: '1500ms' } }] },
      status: {
        parents: [
          {
            parentRef: { group: 'gateway.networking.k8s.io', kind: 'Gateway', name: 'web' },
            controllerName: 'istio.io/gateway-controller',
            conditions: [
              { type: 'Accepted', status: 'True', reason: 'Accepted' },
              { type: 'ResolvedRefs', status: 'False', reason: 'BackendNotFound' },
            ],
          },
        ],
      },
    });
    t.notMatch(manifest, { spec: { position: {} } });
  });

  t.test(`${what}: lists, kinds as kubectl names them`, async (t) => {
    const list = parse((await get('gateways', '-o', 'yaml')).stdout) as { items: object[] };
    t.equal(list.items.length, 2, 'of both groups');
    const own = await get('gateway.gateway.networking.k8s.io', '-o', 'json');
    t.match(JSON.parse(own.stdout), {
      kind: 'List',
      items: [
        {
          metadata: { creationTimestamp: '2026-01-01T00:00:00Z', generation: 3 },
          status: { listeners: [{ name: 'http', attachedRoutes: 1 }, { name: 'https' }] },
        },
      ],
    });
    t.match((await get('gtw', '-n', 'other')).stdout, /NAMESPACE +NAME.*\nother +web/);
    const mine = parse((await get('gatewayclasses', 'mine', '-o', 'yaml')).stdout);
    t.equal(Object.hasOwn((mine as { metadata: object }).metadata, 'namespace'), false);
    t.match((await get('httproutes')).stdout, /default +shop +Accepted, !ResolvedRefs/);
  });

  t.test(`${what}: what Secrets hold is not shown`, async (t) => {
    const { stdout } = await get('secret', 'cert', '-o', 'yaml');
    t.match(parse(stdout), {
      metadata: { annotations: { note: 'x' } },
      stringData: { 'tls.key': '(not shown)' },
    });
    for (const format of ['yaml', 'json', 'table']) {
      const text = (await get('secret', '-o', format)).stdout;
      const line = pair.key.split('\n')[1]!;
      t.notOk(text.includes(line), format);
      t.notOk(text.includes(Buffer.from(pair.key).toString('base64').slice(0, 40)), format);
    }
  });

  t.test(`${what}: mistakes`, async (t) => {
    const missing = await get('httproute', 'nothing');
    t.equal(missing.code, 1);
    t.match(missing.stderr, /no httproute nothing is in force/);
    const unknown = await get('httprute');
    t.equal(unknown.code, 2);
    t.match(unknown.stderr, /did you mean httproute/);
  });
}

t.test('a server knows when conditions became what they are', async (t) => {
  const [route] = server.controlPlane.state.resources({ kind: 'HTTPRoute' });
  const status = route!.status as {
    parents: { conditions: { lastTransitionTime: string }[] }[];
  };
  const [first] = status.parents[0]!.conditions;
  t.match(first!.lastTransitionTime, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
});
