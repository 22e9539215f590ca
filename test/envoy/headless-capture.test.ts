// Headless services (v1 Service with clusterIP None) under interception (root and network namespaces): the client finds
// an endpoint by DNS and calls it by its own address, and that endpoint it must be, be it TCP or HTTP. What is no
// endpoint is unknown: the mesh is REGISTRY_ONLY.
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { CapturedPod } from './captured-pod.js';
import { documents } from './fleet.js';
import { LiveMesh } from './live-mesh.js';
import type { Exchange } from './tcp-client.js';

t.setTimeout(120_000);
const client = JSON.stringify(fileURLToPath(new URL('./tcp-client.ts', import.meta.url)));
const TCP = 7001;
const HTTP = 7080;
const [A, B, C] = ['10.77.1.11', '10.77.1.12', '10.77.1.13'] as const;

const world = `
  import { createServer } from 'node:http';
  import { tcpBackend } from ${client};
  for (const host of ${JSON.stringify([A, B, C])}) {
    await tcpBackend(host, host, { port: ${TCP} });
    const server = createServer((request, response) => {
      response.end('from ' + host + ' for ' + request.headers.host + '.');
    });
    await new Promise((resolve) => server.listen(${HTTP}, host, resolve));
  }
  console.log('ready');`;

const metadata = (name: string, labels = {}) => ({ name, namespace: 'default', labels });
const service = {
  apiVersion: 'v1',
  kind: 'Service',
  metadata: metadata('db'),
  spec: {
    clusterIP: 'None',
    ports: [
      { name: 'tcp', port: TCP },
      { name: 'http', port: HTTP },
    ],
  },
};
const slice = (...addresses: string[]) => ({
  apiVersion: 'discovery.k8s.io/v1',
  kind: 'EndpointSlice',
  metadata: metadata('db-1', { 'kubernetes.io/service-name': 'db' }),
  addressType: 'IPv4',
  ports: [
    { name: 'tcp', port: TCP },
    { name: 'http', port: HTTP },
  ],
  endpoints: addresses.map((address) => ({ addresses: [address], conditions: { ready: true } })),
});

type Call = readonly [host: string, port: number, say: string];
const get = (address: string, host: string): Call => [
  address,
  HTTP,
  `GET / HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`,
];

/** Exchanges from the workload, all in one process. */
async function ask(pod: CapturedPod, calls: readonly Call[]): Promise<Exchange[]> {
  const script = `
    import { exchange } from ${client};
    const enough = (text) => !text.startsWith('HTTP') || /for \\S+\\.|^HTTP\\S+ (?!200)/.test(text);
    const out = [];
    for (const [host, port, say] of ${JSON.stringify(calls)})
      out.push(await exchange({ host, port }, say, { enough, timeoutMs: 3000 }));
    console.log(JSON.stringify(out));`;
  return (await pod.run('pod', script)) as Exchange[];
}

/** One connection that says something every 0.1 s for 3 s: what came back, each once, and how it ended. */
const longCall = `
  import { connect } from 'node:net';
  const heard = new Set();
  let end = 'open';
  const socket = connect({ host: '${A}', port: ${TCP} });
  // Several may come at once, in either direction.
  socket.on('data', (data) => {
    for (const [answer] of String(data).matchAll(/[^x]+x/g)) heard.add(answer);
  });
  for (const event of ['end', 'error', 'close']) socket.on(event, () => { end = event; });
  const timer = setInterval(() => socket.write('x'), 100);
  setTimeout(() => {
    console.log(JSON.stringify({ heard: [...heard], end }));
    process.exit();
  }, 3000);`;

t.test('headless services', { timeout: 90_000 }, async (t) => {
  if (process.getuid?.() !== 0) {
    t.pass('needs root for network namespaces', { skip: true });
    return;
  }
  const pod = new CapturedPod();
  const spec = { outboundTrafficPolicy: { mode: 'REGISTRY_ONLY' } };
  const apiVersion = 'mesh.istio.io/v1alpha1';
  const mesh = new LiveMesh({
    'mesh.yaml': documents({ apiVersion, kind: 'MeshConfig', metadata: { name: 'mesh' }, spec }),
    'db.yaml': documents(service, slice(A, B)),
  });
  t.teardown(async () => {
    await pod.stop();
    await mesh.stop();
  });
  pod.setUp([A, B, C]);
  await mesh.startServer();
  await Promise.all([
    pod.serve('world', world),
    pod.startSidecar(mesh.server.xds[0] ?? '', { app: 'app' }),
  ]);
  await mesh.synced();

  const name = 'db.default.svc.cluster.local';
  const calls: [Call, string | RegExp, string][] = [
    [[A, TCP, 'x'], `${A}:x`, 'TCP: the endpoint that was called'],
    [[B, TCP, 'x'], `${B}:x`, 'TCP: and the other one'],
    [get(A, 'db'), `from ${A} for db.`, 'HTTP: the endpoint that was called'],
    [get(B, 'db'), `from ${B} for db.`, 'HTTP: and the other one'],
    [get(B, name), `from ${B} for ${name}.`, 'HTTP: by the whole name'],
    [get(A, `db-0.${name}`), `from ${A} for db-0.${name}.`, 'HTTP: by the name of a pod'],
    [get(A, 'nobody.test'), 'HTTP/1.1 502', 'HTTP: an unknown host'],
  ];
  const answers = await ask(pod, [...calls.map(([call]) => call), [C, TCP, 'x']]);
  for (const [i, [, text, what]] of calls.entries()) t.match(answers[i]?.text, text, what);
  t.match(answers.at(-1), { text: '', end: /closed|reset/ }, 'TCP: what is no endpoint is unknown');

  const long = pod.run('pod', longCall);
  await new Promise((resolve) => setTimeout(resolve, 1_000));
  await mesh.applied(() => mesh.write('db.yaml', documents(service, slice(A, C))));
  const [gone, come] = await ask(pod, [
    [B, TCP, 'x'],
    [C, TCP, 'x'],
  ]);
  t.match(gone, { text: '', end: /closed|reset/ }, 'an endpoint less');
  t.equal(come?.text, `${C}:x`, 'an endpoint more');
  t.match(await long, { heard: [`${A}:x`], end: 'open' }, 'others keep their connections');
});
