// DNS capture (root and network namespaces): names of the mesh are answered by the sidecar, with addresses that lead
// through it, and all others by the workload's own name server.
import { chmodSync } from 'node:fs';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { TestCa } from '../xds/certificates.js';
import { CapturedPod } from './captured-pod.js';
import { documents, resource } from './fleet.js';
import { LiveMesh } from './live-mesh.js';

const here = (file: string) => JSON.stringify(fileURLToPath(new URL(file, import.meta.url)));
const HTTP = 7080;
const TCP = 7001;
const TLS = 7443;
const [A, B, C, D] = ['10.77.1.11', '10.77.1.12', '10.77.1.13', '10.77.1.14'] as const;
const NAME_SERVER = '10.77.1.53';

const http = { number: HTTP, name: 'http', protocol: 'HTTP' };
const tcp = { number: TCP, name: 'tcp', protocol: 'TCP' };
const entry = (name: string, port: object, address: string) =>
  resource('ServiceEntry', name, {
    hosts: [`${name}.test`],
    resolution: 'STATIC',
    ports: [port],
    endpoints: [{ address }],
  });
const first = documents(
  entry('one', tcp, A),
  entry('two', tcp, B),
  entry('api', http, C),
  resource('ServiceEntry', 'dynamic', {
    hosts: ['*.dynamic.test'],
    resolution: 'DYNAMIC_DNS',
    ports: [http],
  }),
  resource('ServiceEntry', 'secure', {
    hosts: ['*.secure.test'],
    resolution: 'DYNAMIC_DNS',
    ports: [{ number: 443, name: 'tls', protocol: 'TLS', targetPort: TLS }],
  }),
  {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 'web' },
    spec: { selector: { app: 'web' }, ports: [{ name: 'http', port: HTTP }] },
  },
  resource('WorkloadEntry', 'web-1', { address: D, labels: { app: 'web' } }),
);

const certificate = JSON.stringify(new TestCa('servers').issue({ names: ['a.secure.test'] }));

const world = `
  import { createServer as createTlsServer } from 'node:tls';
  import { createServer } from 'node:http';
  import { tcpBackend } from ${here('./tcp-client.ts')};
  import { dnsServer } from ${here('./dns-server.ts')};
  for (const host of ${JSON.stringify([A, B, C, D])}) {
    await tcpBackend(host, host, { port: ${TCP} });
    const server = createServer((request, response) => {
      response.end('from ' + host + ' for ' + request.headers.host);
    });
    await new Promise((resolve) => server.listen(${HTTP}, host, resolve));
    const secure = createTlsServer(${certificate}, (socket) => {
      socket.on('error', () => {});
      socket.end('from ' + host + ' for ' + socket.servername);
    });
    await new Promise((resolve) => secure.listen(${TLS}, host, resolve));
  }
  await dnsServer('${NAME_SERVER}', {
    'outside.test': '${D}', 'one.test': '${D}', 'a.dynamic.test': '${A}', 'b.dynamic.test': '${B}',
    'a.secure.test': '${A}', 'b.secure.test': '${B}', 'late.test': '${B}',
  });
  console.log('ready');`;

t.test('names of the mesh and others', { timeout: 90_000 }, async (t) => {
  if (process.getuid?.() !== 0) {
    t.pass('needs root for network namespaces', { skip: true });
    return;
  }
  const pod = new CapturedPod();
  const mesh = new LiveMesh({ 'mesh.yaml': first });
  t.teardown(async () => {
    await pod.stop();
    await mesh.stop();
  });
  pod.setUp([A, B, C, D, NAME_SERVER], NAME_SERVER);
  await mesh.startServer();
  const xds = mesh.server.xds[0] ?? '';
  const socket = xds.replace('unix:', '');
  // The sidecar runs as another user.
  chmodSync(dirname(socket), 0o755);
  chmodSync(socket, 0o666);
  await Promise.all([pod.serve('world', world), pod.startSidecar(xds, { app: 'app' })]);
  await mesh.synced();

  const script = (body: string) => `
    import { exchange } from ${here('./tcp-client.ts')};
    import { ask } from ${here('./dns-server.ts')};
    import { lookup } from 'node:dns/promises';
    import { connect } from 'node:tls';
    const get = async (host) => {
      const response = await fetch('http://' + host + ':${HTTP}/', { signal: AbortSignal.timeout(5000) });
      return response.status + ' ' + (await response.text());
    };
    const say = async (host) => (await exchange({ host, port: ${TCP} }, 'x')).text;
    const secure = (servername, host = servername) =>
      new Promise((resolve) => {
        let text = '';
        const socket = connect({ host, port: 443, servername, rejectUnauthorized: false });
        socket.on('data', (data) => { text += data; });
        socket.on('error', ({ code }) => resolve(code));
        socket.on('close', () => resolve(text));
        setTimeout(() => socket.destroy(), 5000).unref();
      });
    const asked = (name, type, over) => ask('${NAME_SERVER}', name, type, over);
    ${body}`;
  const answers = (await pod.run(
    'pod',
    script(`console.log(JSON.stringify({
      one: await say('one.test'),
      two: await say('two.test'),
      api: await get('api.test'),
      web: await get('web'),
      webInFull: await get('web.default.svc.cluster.local'),
      dynamic: [await get('a.dynamic.test'), await get('b.dynamic.test')],
      secure: [await secure('a.secure.test'), await secure('b.secure.test')],
      unknown: await secure('x.secure.test'),
      outside: await get('outside.test'),
      nowhere: await lookup('nowhere.test').catch((error) => error.code),
      a: await asked('one.test', 'A'),
      aaaa: await asked('one.test', 'AAAA'),
      overIpv6: (await exchange({ ...(await lookup('one.test', 6).then(({ address }) => ({ host: address }))), port: ${TCP} }, 'x')).text,
      txt: await asked('one.test', 'TXT'),
      overTcp: await asked('one.test', 'A', 'tcp'),
    }))`),
  )) as Record<string, never>;
  t.equal(answers['one'], `${A}:x`, 'TCP: by the address that the mesh gave to one');
  t.equal(answers['two'], `${B}:x`, 'TCP: the same port of another');
  t.equal(answers['api'], `200 from ${C} for api.test:${HTTP}`, 'HTTP by a host of a ServiceEntry');
  t.equal(answers['web'], `200 from ${D} for web:${HTTP}`, 'the short name of a v1 Service');
  t.equal(answers['webInFull'], `200 from ${D} for web.default.svc.cluster.local:${HTTP}`);
  t.same(
    answers['dynamic'],
    [A, B].map((ip, i) => `200 from ${ip} for ${'ab'[i]}.dynamic.test:${HTTP}`),
    'DYNAMIC_DNS: each name of the wildcard, looked up by the sidecar',
  );
  t.equal(await pod.stat('^cluster.outbound.*dynamic.test;.upstream_rq_200$'), 2);
  t.same(
    answers['secure'],
    [A, B].map((ip, i) => `from ${ip} for ${'ab'[i]}.secure.test`),
    'and TLS by the server name',
  );
  t.equal(answers['unknown'], 'ECONNRESET', 'a name that there is not');
  t.equal(answers['outside'], `200 from ${D} for outside.test:${HTTP}`, 'the own name server');
  t.equal(answers['nowhere'], 'ENOTFOUND');
  const { a, aaaa } = answers as Record<string, { code: number; addresses: string[] }>;
  t.match(a, { code: 0, addresses: [/^240\.240\.\d+\.\d+$/] });
  const bytes = Buffer.from((a?.addresses[0] ?? '').split('.').map(Number)).toString('hex');
  t.match(
    aaaa,
    { code: 0, addresses: [`00000000000000000000ffff${bytes}`] },
    'never "no such name"',
  );
  t.equal(answers['overIpv6'], `${A}:x`, 'and that address leads there too');
  t.match(answers['txt'], { code: 4 }, 'Envoy answers for addresses only');
  t.match(answers['overTcp'], { code: 0, addresses: [D] }, 'over TCP the name server is asked');

  const steady = pod.run(
    'pod',
    script(`
      const end = Date.now() + 3000;
      const out = { fine: 0, lost: 0, moved: 0, later: undefined };
      const before = (await asked('one.test', 'A')).addresses[0];
      while (Date.now() < end) {
        const answer = await asked('one.test', 'A');
        if (answer === undefined) out.lost++;
        else if (answer.addresses[0] !== before) out.moved++;
        else out.fine++;
      }
      out.later = await say('later.test');
      console.log(JSON.stringify(out));`),
  );
  await new Promise((resolve) => setTimeout(resolve, 1500));
  await mesh.applied(() => mesh.write('later.yaml', documents(entry('later', tcp, C))));
  const during = (await steady) as { fine: number; lost: number; moved: number; later: string };
  t.ok(during.fine > 100, `${during.fine} queries`);
  t.match(during, { lost: 0, moved: 0, later: `${C}:x` }, 'a new name disturbs nobody');

  const toC = `
    import { request } from 'node:http';
    const out = {};
    for (const host of ['late.test', 'nowhere.test']) {
      out[host] = await new Promise((resolve) => {
        const headers = { host: host + ':${HTTP}' };
        request({ host: '${C}', port: ${HTTP}, headers, agent: false }, (response) => {
          response.on('data', (data) => resolve(response.statusCode + ' ' + data));
        }).end();
      });
    }
    console.log(JSON.stringify(out));`;
  t.match(await pod.run('pod', toC), { 'late.test': `200 from ${C} for late.test:${HTTP}` });
  const spec = { outboundTrafficPolicy: { mode: 'ALLOW_ANY_DYNAMIC_DNS' } };
  const mode = {
    apiVersion: 'mesh.istio.io/v1alpha1',
    kind: 'MeshConfig',
    metadata: { name: 'm' },
  };
  await mesh.applied(() => mesh.write('mode.yaml', documents({ ...mode, spec })));
  await mesh.synced();
  t.match(
    await pod.run('pod', toC),
    { 'late.test': `200 from ${B} for late.test:${HTTP}`, 'nowhere.test': /^503 / },
    'ALLOW_ANY_DYNAMIC_DNS: by the host, whatever address was called',
  );
});
