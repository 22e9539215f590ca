// Listeners under real interception (root and network namespaces): addresses of services, sniffing, what the mesh does
// not know under both policies, loop guards, inbound chains. Each answer is checked where the traffic arrives.
import { fileURLToPath } from 'node:url';
import t, { type Test } from 'tap';
import { CapturedPod } from './captured-pod.js';
import { LiveMesh, until } from './live-mesh.js';
import type { Exchange } from './tcp-client.js';

const client = JSON.stringify(fileURLToPath(new URL('./tcp-client.ts', import.meta.url)));
const VIP = '10.96.7.1';
/** In the world outside; every server there is a plain echo that says its port. */
const ECHO = [7001, 7002, 7003, 7004];
const BANNER = 7005;
const HTTP = 7080;

const yaml = (...documents: object[]) =>
  documents.map((one) => JSON.stringify(one)).join('\n---\n');
const metadata = (name: string) => ({ name, namespace: 'default' });

function meshFiles(pod: CapturedPod, policy: string): string {
  const entry = (name: string, spec: object) => ({
    apiVersion: 'networking.istio.io/v1',
    kind: 'ServiceEntry',
    metadata: metadata(name),
    spec,
  });
  const at = (port: number) => [{ address: pod.outsideIp, ports: { p: port } }];
  return yaml(
    {
      kind: 'MeshConfig',
      apiVersion: 'mesh.istio.io/v1alpha1',
      metadata: metadata('mesh'),
      spec: { outboundTrafficPolicy: { mode: policy }, protocolDetectionTimeout: '0.4s' },
    },
    {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: metadata('app'),
      spec: {
        clusterIP: '10.96.7.9',
        selector: { app: 'app' },
        ports: [
          { name: 'tcp-a', port: 9100 },
          { name: 'http-a', port: 9180 },
          { name: 'any', port: 9190 },
        ],
      },
    },
    {
      apiVersion: 'networking.istio.io/v1',
      kind: 'WorkloadEntry',
      metadata: metadata('app'),
      spec: { address: pod.ip, labels: { app: 'app' } },
    },
    entry('vip', {
      hosts: ['tcp.example.com'],
      addresses: [VIP],
      resolution: 'STATIC',
      ports: [{ number: 9001, name: 'p', protocol: 'TCP' }],
      endpoints: at(ECHO[0]!),
    }),
    entry('auto', {
      hosts: ['auto.example.com'],
      addresses: ['10.96.7.2'],
      resolution: 'STATIC',
      ports: [{ number: 9002, name: 'p' }],
      endpoints: at(ECHO[1]!),
    }),
    entry('first', {
      hosts: ['first.example.com'],
      addresses: ['10.96.7.3'],
      resolution: 'STATIC',
      ports: [{ number: 9003, name: 'p' }],
      endpoints: at(BANNER),
    }),
    entry('block', {
      hosts: ['block.example.com'],
      addresses: ['10.88.0.0/16'],
      resolution: 'STATIC',
      ports: [{ number: 9004, name: 'p', protocol: 'TCP' }],
      endpoints: at(ECHO[2]!),
    }),
    entry('web', {
      hosts: ['web.example.com'],
      addresses: ['10.96.7.4'],
      resolution: 'STATIC',
      ports: [{ number: HTTP, name: 'p', protocol: 'HTTP' }],
      endpoints: at(HTTP),
    }),
  );
}

const servers = (host: string, echo: readonly number[], http: readonly number[]) => `
  import { createServer } from 'node:http';
  import { tcpBackend } from ${client};
  for (const port of ${JSON.stringify(echo)}) {
    const banner = port === ${BANNER} ? 'hello' : undefined;
    await tcpBackend('${host}', String(port), { port, banner });
  }
  for (const port of ${JSON.stringify(http)}) {
    const server = createServer((request, response) => response.end('web ' + request.headers.host));
    await new Promise((resolve) => server.listen(port, '${host}', resolve));
  }
  console.log('ready');`;

async function start(t: Test, policy: string): Promise<CapturedPod | undefined> {
  if (process.getuid?.() !== 0) {
    t.pass('needs root for network namespaces', { skip: true });
    return undefined;
  }
  const pod = new CapturedPod();
  const mesh = new LiveMesh({ 'mesh.yaml': meshFiles(pod, policy) });
  t.teardown(async () => {
    await pod.stop();
    await mesh.stop();
  });
  pod.setUp();
  await mesh.startServer();
  await Promise.all([
    pod.serve('world', servers(pod.outsideIp, [...ECHO, BANNER], [HTTP, 7081])),
    pod.serve('pod', servers(pod.ip, [9100, 9190, 9200], [9180])),
    pod.startSidecar(mesh.server.xds[0]!, { app: 'app' }),
  ]);
  await until(10_000, async () => (await pod.stat('listener_manager.total_listeners_active')) > 3);
  return pod;
}

/** Exchanges from one side, all in one process. */
async function ask(
  pod: CapturedPod,
  where: 'pod' | 'world',
  calls: readonly [host: string, port: number, say: string][],
): Promise<Exchange[]> {
  const script = `
    import { exchange } from ${client};
    const out = [];
    for (const [host, port, say] of ${JSON.stringify(calls)})
      out.push(await exchange({ host, port }, say, { timeoutMs: 3000 }));
    console.log(JSON.stringify(out));`;
  return (await pod.run(where, script)) as Exchange[];
}

const get = (host: string) => `GET / HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`;
const active = 'cluster\\.(outbound.*9001|PassthroughCluster).*upstream_cx_total$';

t.test('ALLOW_ANY', { timeout: 60_000 }, async (t) => {
  const pod = await start(t, 'ALLOW_ANY');
  if (pod === undefined) return;
  const [tcp, auto, autoHttp, first, block, web, unknownTcp, unknownHost, unknownHttp] = await ask(
    pod,
    'pod',
    [
      [VIP, 9001, 'x'],
      ['10.96.7.2', 9002, 'x'],
      ['10.96.7.2', 9002, get('whatever')],
      ['10.96.7.3', 9003, ''],
      ['10.88.4.4', 9004, 'x'],
      ['10.96.7.4', HTTP, get('web.example.com')],
      [pod.outsideIp, 7004, 'x'],
      [pod.outsideIp, HTTP, get('nobody.example.com')],
      [pod.outsideIp, 7081, get('nobody.example.com')],
    ],
  );
  t.equal(tcp?.text, '7001:x', 'TCP at the address of a service');
  t.equal(auto?.text, '7002:x', 'undeclared, and not HTTP');
  t.match(autoHttp?.text, /^HTTP\/1\.1 /, 'undeclared, and HTTP: a connection manager answers');
  t.equal(first?.text, 'hello', 'a server that speaks first, on a sniffed port');
  t.ok((first?.ms ?? 0) >= 350, `after protocolDetectionTimeout (${first?.ms} ms)`);
  t.equal(block?.text, '7003:x', 'a block of addresses');
  t.match(web?.text, /web web\.example\.com/, 'HTTP by its host');
  t.equal(unknownTcp?.text, '7004:x', 'unknown TCP passes');
  t.match(unknownHost?.text, /web nobody\.example\.com/, 'unknown host on a known port passes');
  t.match(unknownHttp?.text, /web nobody\.example\.com/, 'unknown port passes');
  t.ok((await pod.stat(active)) >= 3, 'and all that went through the sidecar');
});

t.test('REGISTRY_ONLY', { timeout: 60_000 }, async (t) => {
  const pod = await start(t, 'REGISTRY_ONLY');
  if (pod === undefined) return;
  const [tcp, unknownTcp, unknownHost, notHttp] = await ask(pod, 'pod', [
    [VIP, 9001, 'x'],
    [pod.outsideIp, 7004, 'x'],
    [pod.outsideIp, HTTP, get('nobody.example.com')],
    [pod.outsideIp, HTTP, '\x00\x01\x02\x03'],
  ]);
  t.equal(tcp?.text, '7001:x', 'what the mesh knows works');
  t.match(unknownTcp, { text: '', end: /closed|reset/ }, 'unknown TCP is ended');
  t.match(unknownHost?.text, /^HTTP\/1\.1 502 /, 'an unknown host gets 502');
  t.match(notHttp, { text: '', end: /closed|reset/ }, 'so is TCP on a port of HTTP');
});

t.test('inbound, and no loops', { timeout: 60_000 }, async (t) => {
  const pod = await start(t, 'ALLOW_ANY');
  if (pod === undefined) return;
  const [tcp, http, any, unknown, loopIn, loopOut] = await ask(pod, 'world', [
    [pod.ip, 9100, 'x'],
    [pod.ip, 9180, get('app')],
    [pod.ip, 9190, 'x'],
    [pod.ip, 9200, 'x'],
    [pod.ip, 15_006, 'x'],
    [pod.ip, 15_001, 'x'],
  ]);
  t.equal(tcp?.text, '9100:x', 'TCP');
  t.match(http?.text, /server: istio-envoy/, 'HTTP through a connection manager');
  t.match(http?.text, /web app/, 'to the application');
  t.equal(any?.text, '9190:x', 'undeclared');
  t.equal(unknown?.text, '9200:x', 'a port that no service names passes');
  t.match(loopIn, { text: '', end: /closed|reset/ }, 'straight to 15006: one reset');
  t.match(loopOut, { text: '', end: /closed|reset/ }, 'straight to 15001: one reset');
  const [self] = await ask(pod, 'pod', [[pod.outsideIp, 15_001, 'x']]);
  t.match(self, { text: '' }, 'a call of another host at 15001 ends too');
  const accepted = await pod.stat('^listener\\..*downstream_cx_total$');
  t.ok(accepted < 40, `each was accepted a few times (${accepted})`);
  t.equal(await pod.stat('cluster.*upstream_cx_overflow$'), 0, 'no circuit breaker was needed');
});
