// INTERCEPTION_MODE TPROXY (root and network namespaces): the application sees the address of its caller, though every
// connection passes the sidecar. Declared HTTP and TCP ports, one that is not declared, and calls that the workload
// makes itself; from 127.0.0.1 Linux lets nobody answer a foreign address.
import { chmodSync } from 'node:fs';
import { dirname } from 'node:path';
import t from 'tap';
import { CapturedPod } from './captured-pod.js';
import { documents, resource } from './fleet.js';
import { LiveMesh } from './live-mesh.js';

t.setTimeout(180_000);

const [HTTP, TCP, UNDECLARED, DIRECT] = [8080, 9000, 9100, 15020] as const;

interface Family {
  name: 'ipv4' | 'ipv6';
  /** A second caller, where no service is, and what an application listens at. */
  other: string;
  nobody: string;
  any: string;
  loopback: string;
}

const families: readonly Family[] = [
  {
    name: 'ipv4',
    other: '10.77.1.21',
    nobody: '10.77.1.99',
    any: '0.0.0.0',
    loopback: '127.0.0.1',
  },
  { name: 'ipv6', other: 'fd77:1::21', nobody: 'fd77:1::99', any: '::', loopback: '::1' },
];

/** Every server says who called it, and at which address. */
const app = ({ any }: Family) => `
  import { createServer } from 'node:http';
  import { createServer as createTcpServer } from 'node:net';
  const said = ({ remoteAddress, localAddress }) => remoteAddress + ' at ' + localAddress;
  const http = createServer((request, response) => response.end(said(request.socket)));
  await new Promise((resolve) => http.listen(${HTTP}, '${any}', resolve));
  for (const port of ${JSON.stringify([TCP, UNDECLARED, DIRECT])}) {
    const tcp = createTcpServer((socket) => {
      socket.on('error', () => {});
      socket.once('data', () => socket.end(said(socket)));
    });
    await new Promise((resolve) => tcp.listen(port, '${any}', resolve));
  }
  console.log('ready');`;

const world = (pod: CapturedPod) => `
  import { createServer } from 'node:http';
  const server = createServer((request, response) => response.end('from the world'));
  await new Promise((resolve) => server.listen(${HTTP}, '${pod.outsideIp}', resolve));
  console.log('ready');`;

const callers = (pod: CapturedPod, { other }: Family) => `
  import { Agent, request } from 'node:http';
  import { connect } from 'node:net';
  const host = '${pod.ip}';
  const agents = {};
  const get = (localAddress) => new Promise((resolve, reject) => {
    agents[localAddress] ??= new Agent({ keepAlive: true, localAddress });
    const options = { host, port: ${HTTP}, agent: agents[localAddress], timeout: 5000 };
    const sent = request(options, (response) => {
      let body = '';
      response.on('data', (data) => { body += data; });
      response.on('end', () => resolve(response.statusCode + ' ' + body));
    });
    sent.on('timeout', () => sent.destroy(new Error('no answer')));
    sent.on('error', ({ message }) => resolve(message));
    sent.end();
  });
  const say = (port, localAddress) => new Promise((resolve) => {
    const socket = connect({ host, port, localAddress }, () => socket.write('x\\n'));
    let text = '';
    socket.setTimeout(5000, () => socket.destroy());
    socket.on('data', (data) => { text += data; });
    socket.on('error', ({ code }) => { text = code; });
    socket.on('close', () => resolve(text));
  });
  const out = { http: [], tcp: [], undeclared: [], direct: await say(${DIRECT}, '${other}') };
  for (let i = 0; i < 4; i++) {
    for (const from of ['${pod.outsideIp}', '${other}']) {
      out.http.push(await get(from));
      out.tcp.push(await say(${TCP}, from));
      out.undeclared.push(await say(${UNDECLARED}, from));
    }
  }
  console.log(JSON.stringify(out));
  process.exit();`;

for (const family of families) {
  t.test(`the application sees its callers: ${family.name}`, { timeout: 90_000 }, async (t) => {
    const { name, other, nobody, loopback } = family;
    if (process.getuid?.() !== 0) {
      t.pass('needs root for network namespaces', { skip: true });
      return;
    }
    const pod = new CapturedPod({ tproxy: true, family: name });
    const service = {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name: 'app' },
      spec: {
        selector: { app: 'app' },
        ports: [
          { name: 'http', port: HTTP },
          { name: 'tcp', port: TCP },
        ],
      },
    };
    const outside = resource('ServiceEntry', 'outside', {
      hosts: ['outside.test'],
      resolution: 'STATIC',
      ports: [{ number: 80, name: 'http', protocol: 'HTTP', targetPort: HTTP }],
      endpoints: [{ address: pod.outsideIp }],
    });
    const mesh = new LiveMesh({ 'mesh.yaml': documents(service, outside) });
    t.teardown(async () => {
      await pod.stop();
      await mesh.stop();
    });
    pod.setUp([other]);
    await mesh.startServer();
    const xds = mesh.server.xds[0] ?? '';
    const socket = xds.replace('unix:', '');
    // The sidecar runs as another user.
    chmodSync(dirname(socket), 0o755);
    chmodSync(socket, 0o666);
    await Promise.all([
      pod.serve('pod', app(family)),
      pod.serve('world', world(pod)),
      pod.startSidecar(xds, { app: 'app' }),
    ]);
    await mesh.synced();
    const seen = (await pod.run('world', callers(pod, family))) as Record<
      string,
      string[] | string
    >;
    const expected = [pod.outsideIp, other].map((from) => `${from} at ${pod.ip}`);
    const four = [...expected, ...expected, ...expected, ...expected];
    t.strictSame(
      seen['http'],
      four.map((text) => `200 ${text}`),
      'HTTP',
    );
    t.strictSame(seen['tcp'], four, 'TCP');
    t.strictSame(seen['undeclared'], four, 'a port that no service declares');
    t.equal(seen['direct'], expected[1], 'a port that reaches the application directly');
    const passed = async (what: string) => pod.stat(`^cluster.${what}`);
    t.equal(await passed(`inbound.${HTTP}..;.upstream_rq_total$`), 8, 'all passed the sidecar');
    t.equal(await passed(`inbound.${TCP}..;.upstream_cx_total$`), 8);
    t.equal(await passed('InboundPassthroughCluster;.upstream_cx_total'), 8);

    const outbound = await pod.run(
      'pod',
      `
    const { request } = await import('node:http');
    const answer = await new Promise((resolve) => {
      request({ host: '${nobody}', port: 80, headers: { host: 'outside.test' } }, (response) => {
        response.on('data', (data) => resolve(response.statusCode + ' ' + data));
      }).end();
    });
    console.log(JSON.stringify(answer));`,
    );
    t.equal(outbound, '200 from the world', 'its own calls are redirected as ever');

    const at = `${name === 'ipv6' ? `[${loopback}]` : loopback}:${TCP}`;
    const itself = `${loopback} at ${loopback}`;
    const spec = {
      ingress: [
        { port: { number: TCP, protocol: 'TCP', name: 'tcp' }, defaultEndpoint: at },
        { port: { number: HTTP, protocol: 'HTTP', name: 'http' } },
      ],
    };
    await mesh.applied(() =>
      mesh.write('sidecar.yaml', documents(resource('Sidecar', 'default', spec))),
    );
    const again = (await pod.run('world', callers(pod, family))) as Record<string, string[]>;
    t.strictSame(
      [again['tcp']?.slice(-2), again['http']?.slice(-2)],
      [[itself, itself], expected.map((text) => `200 ${text}`)],
      `but not where it is called at ${loopback}`,
    );
  });
}
