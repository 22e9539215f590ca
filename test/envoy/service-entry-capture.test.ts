// ServiceEntries and DestinationRules that need the address which the client called, so interception (root and network
// namespaces): resolution NONE, loadBalancer PASSTHROUGH, and destinations that the mesh does not know before and after
// a ServiceEntry makes them known. Every server of the world outside answers with its own address and port.
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { CapturedPod } from './captured-pod.js';
import { documents, resource } from './fleet.js';
import { LiveMesh } from './live-mesh.js';
import type { Exchange } from './tcp-client.js';

const client = JSON.stringify(fileURLToPath(new URL('./tcp-client.ts', import.meta.url)));
const HTTP = 7080;
const MOVED = 7081;
const TCP = 7001;
const [A, B, C, D] = ['10.77.1.11', '10.77.1.12', '10.77.1.13', '10.77.1.14'] as const;

const meshConfig = (mode: string) =>
  documents({
    apiVersion: 'mesh.istio.io/v1alpha1',
    kind: 'MeshConfig',
    metadata: { name: 'mesh' },
    spec: { outboundTrafficPolicy: { mode } },
  });

const http = { number: HTTP, name: 'http', protocol: 'HTTP' };
const tcp = { number: TCP, name: 'tcp', protocol: 'TCP' };
const entry = (name: string, spec: object) =>
  resource('ServiceEntry', name, {
    hosts: [`${name}.test`],
    location: 'MESH_EXTERNAL',
    ports: [http],
    ...spec,
  });

const world = `
  import { createServer } from 'node:http';
  import { tcpBackend } from ${client};
  for (const host of ${JSON.stringify([A, B, C, D])}) {
    await tcpBackend(host, host, { port: ${TCP} });
    for (const port of [${HTTP}, ${MOVED}]) {
      const server = createServer((request, response) => {
        response.end('from ' + host + ':' + port + ' ' + request.headers.host);
      });
      await new Promise((resolve) => server.listen(port, host, resolve));
    }
  }
  console.log('ready');`;

type Call = readonly [host: string, port: number, say: string];

const get = (address: string, host: string, port = HTTP): Call => [
  address,
  port,
  `GET / HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`,
];

/** Exchanges from the workload, all in one process. */
async function ask(pod: CapturedPod, calls: readonly Call[]): Promise<Exchange[]> {
  const script = `
    import { exchange } from ${client};
    const enough = (text) => !text.startsWith('HTTP') || /from \\S+ \\S+|^HTTP\\S+ (?!200)/.test(text);
    const out = [];
    for (const [host, port, say] of ${JSON.stringify(calls)})
      out.push(await exchange({ host, port }, say, { enough, timeoutMs: 3000 }));
    console.log(JSON.stringify(out));`;
  return (await pod.run('pod', script)) as Exchange[];
}

const ended = { text: '', end: /closed|reset/ };

t.test('where the client wants to go', { timeout: 90_000 }, async (t) => {
  if (process.getuid?.() !== 0) {
    t.pass('needs root for network namespaces', { skip: true });
    return;
  }
  const pod = new CapturedPod();
  const mesh = new LiveMesh({
    'mesh.yaml': meshConfig('REGISTRY_ONLY'),
    'known.yaml': documents(
      entry('elsewhere', {
        resolution: 'STATIC',
        ports: [{ number: 9999, name: 'http', protocol: 'HTTP' }],
        endpoints: [{ address: A }],
      }),
    ),
  });
  t.teardown(async () => {
    await pod.stop();
    await mesh.stop();
  });
  pod.setUp([A, B, C, D]);
  await mesh.startServer();
  await Promise.all([
    pod.serve('world', world),
    pod.startSidecar(mesh.server.xds[0] ?? '', { app: 'app' }),
  ]);
  await mesh.synced();

  const unknown = await ask(pod, [get(A, 'any.test'), [A, TCP, 'x']]);
  t.match(unknown[0], ended, 'REGISTRY_ONLY: nobody knows this port');
  t.match(unknown[1], ended, 'REGISTRY_ONLY: nor this one');

  await mesh.applied(() =>
    mesh.write(
      'known.yaml',
      documents(
        entry('any', {}),
        entry('wild', { hosts: ['*.wild.test'], resolution: 'NONE' }),
        entry('moved', { ports: [{ ...http, number: 7090, targetPort: MOVED }] }),
        entry('tcp', { addresses: [A], ports: [tcp] }),
        entry('block', { addresses: ['10.77.1.12/31'], ports: [tcp] }),
        entry('pass', { resolution: 'STATIC', endpoints: [{ address: B }] }),
        resource('DestinationRule', 'pass', {
          host: 'pass.test',
          trafficPolicy: { loadBalancer: { simple: 'PASSTHROUGH' } },
        }),
        entry('balanced', { resolution: 'STATIC', endpoints: [{ address: B }] }),
      ),
    ),
  );
  const calls: [Call, string | RegExp, string][] = [
    [get(A, 'any.test'), `from ${A}:${HTTP} any.test`, 'NONE: to the address that was called'],
    [get(C, 'any.test'), `from ${C}:${HTTP} any.test`, 'NONE: whatever it is'],
    [get(B, 'a.wild.test'), `from ${B}:${HTTP} a.wild.test`, 'NONE: a wildcard host'],
    [get(A, 'moved.test', 7090), `from ${A}:${MOVED} moved.test`, 'NONE: with targetPort'],
    [[A, TCP, 'x'], `${A}:x`, 'NONE: TCP at an address'],
    [[B, TCP, 'x'], `${B}:x`, 'NONE: TCP in a block of addresses'],
    [[C, TCP, 'x'], `${C}:x`, 'NONE: TCP in a block of addresses'],
    [get(A, 'pass.test'), `from ${A}:${HTTP} pass.test`, 'PASSTHROUGH: not the endpoints'],
    [get(A, 'balanced.test'), `from ${B}:${HTTP} balanced.test`, 'without it the endpoints'],
    [get(A, 'unknown.test'), 'HTTP/1.1 502', 'REGISTRY_ONLY: an unknown host of a known port'],
  ];
  const answers = await ask(pod, [...calls.map(([call]) => call), [D, TCP, 'x'] as const]);
  for (const [i, [, text, what]] of calls.entries()) t.match(answers[i]?.text, text, what);
  t.match(answers.at(-1), ended, 'REGISTRY_ONLY: an unknown address of a known port');
  const passed = await pod.stat(`^cluster\\.outbound.*pass\\.test;\\.upstream_rq_200$`);
  t.equal(passed, 1, 'by the cluster of that service');

  await mesh.applied(() => mesh.write('mesh.yaml', meshConfig('ALLOW_ANY')));
  const allowed = await ask(pod, [
    get(A, 'unknown.test'),
    get(A, 'unknown.test', MOVED),
    [D, TCP, 'x'],
    get(A, 'balanced.test'),
  ]);
  t.match(allowed[0]?.text, `from ${A}:${HTTP} unknown.test`, 'ALLOW_ANY: an unknown host');
  t.match(allowed[1]?.text, `from ${A}:${MOVED} unknown.test`, 'ALLOW_ANY: an unknown port');
  t.match(allowed[2]?.text, `${D}:x`, 'ALLOW_ANY: an unknown address');
  t.match(allowed[3]?.text, `from ${B}:${HTTP} balanced.test`, 'known ones as before');
});
