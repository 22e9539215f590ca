// A workload that has IPv6 alone, intercepted (root and network namespaces): services by their addresses, HTTP and TCP,
// sniffed ones, headless ones, what the mesh does not know, and calls that others make to it.
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { CapturedPod } from './captured-pod.js';
import { documents } from './fleet.js';
import { LiveMesh } from './live-mesh.js';
import type { Exchange } from './tcp-client.js';

t.setTimeout(120_000);
const client = JSON.stringify(fileURLToPath(new URL('./tcp-client.ts', import.meta.url)));
const [A, B, STRANGER] = ['fd77:1::11', 'fd77:1::12', 'fd77:1::13'] as const;
const VIP = 'fd77:96::1';
const [TCP, HTTP] = [7001, 7080] as const;

/** Servers at addresses that say which one they are. */
const servers = (...hosts: string[]) => `
  import { createServer } from 'node:http';
  import { tcpBackend } from ${client};
  for (const host of ${JSON.stringify(hosts)}) {
    await tcpBackend(host, host, { port: ${TCP} });
    const server = createServer((request, response) => {
      response.end('from ' + host + ' for ' + request.headers.host + '.');
    });
    await new Promise((resolve) => server.listen(${HTTP}, host, resolve));
  }
  console.log('ready');`;

const service = (name: string, spec: object, endpoint?: string) => {
  const metadata = { name, namespace: 'default' };
  const ports = [
    { name: 'http', port: HTTP },
    { name: 'tcp', port: TCP },
    { name: 'any', port: 7090, targetPort: HTTP },
  ];
  const slice = {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: { ...metadata, labels: { 'kubernetes.io/service-name': name } },
    addressType: 'IPv6',
    ports: ports.map((port) => ({ name: port.name, port: port.targetPort ?? port.port })),
    endpoints: [{ addresses: [endpoint], conditions: { ready: true } }],
  };
  const own = { apiVersion: 'v1', kind: 'Service', metadata, spec: { ...spec, ports } };
  return endpoint === undefined ? [own] : [own, slice];
};

type Call = readonly [host: string, port: number, say: string];
const get = (address: string, port: number, host: string): Call => [
  address,
  port,
  `GET / HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`,
];

async function ask(pod: CapturedPod, where: 'pod' | 'world', calls: readonly Call[]) {
  const script = `
    import { exchange } from ${client};
    const enough = (text) => !text.startsWith('HTTP') || /for \\S+\\.|^HTTP\\S+ (?!200)/.test(text);
    const out = [];
    for (const [host, port, say] of ${JSON.stringify(calls)})
      out.push(await exchange({ host, port }, say, { enough, timeoutMs: 5000 }));
    console.log(JSON.stringify(out));`;
  return (await pod.run(where, script)) as Exchange[];
}

t.test('IPv6 alone', { timeout: 90_000 }, async (t) => {
  if (process.getuid?.() !== 0) {
    t.pass('needs root for network namespaces', { skip: true });
    return;
  }
  const pod = new CapturedPod({ family: 'ipv6' });
  const mesh = new LiveMesh({
    'mesh.yaml': documents(
      ...service('web', { clusterIP: VIP }, A),
      ...service('each', { clusterIP: 'None' }, B),
      ...service('app', { clusterIP: 'fd77:96::2', selector: { app: 'app' } }),
    ),
  });
  t.teardown(async () => {
    await pod.stop();
    await mesh.stop();
  });
  pod.setUp([A, B, STRANGER]);
  await mesh.startServer();
  await Promise.all([
    pod.serve('world', servers(A, B, STRANGER)),
    pod.serve('pod', servers(pod.ip)),
    pod.startSidecar(mesh.server.xds[0] ?? '', { app: 'app' }),
  ]);
  await mesh.synced();

  const outbound: [Call, string][] = [
    [get(VIP, HTTP, 'web'), `from ${A} for web.`],
    [get(VIP, HTTP, `[${VIP}]:${HTTP}`), `from ${A} for [${VIP}]:${HTTP}.`],
    [[VIP, TCP, 'x'], `${A}:x`],
    [get(VIP, 7090, 'web'), `from ${A} for web.`],
    [get(B, HTTP, 'each'), `from ${B} for each.`],
    [[B, TCP, 'x'], `${B}:x`],
    [get(STRANGER, HTTP, 'stranger.test'), `from ${STRANGER} for stranger.test.`],
    [[STRANGER, TCP, 'x'], `${STRANGER}:x`],
  ];
  const answers = await ask(
    pod,
    'pod',
    outbound.map(([call]) => call),
  );
  for (const [i, [[host, port], expected]] of outbound.entries()) {
    t.ok(answers[i]?.text.includes(expected), `${host} at ${port}: ${answers[i]?.text}`);
  }
  t.equal(await pod.stat(`^cluster.outbound.${HTTP}..web.*upstream_rq_total$`), 2);
  t.equal(await pod.stat('^cluster.PassthroughCluster;?.upstream_cx_total$'), 2);

  const inbound = await ask(pod, 'world', [get(pod.ip, HTTP, 'app'), [pod.ip, TCP, 'x']]);
  t.match(inbound[0]?.text ?? '', `from ${pod.ip} for app.`);
  t.equal(inbound[1]?.text, `${pod.ip}:x`);
  t.equal(await pod.stat(`^cluster.inbound.${HTTP}..;.upstream_rq_total$`), 1, 'by the sidecar');
  t.equal(await pod.stat(`^cluster.inbound.${TCP}..;.upstream_cx_total$`), 1);
});
