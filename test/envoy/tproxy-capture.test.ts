// INTERCEPTION_MODE TPROXY (root and network namespaces): the application sees the address of its caller, though every
// connection passes the sidecar. Declared HTTP and TCP ports, one that is not declared, and calls that the workload
// makes itself; from 127.0.0.1 Linux lets nobody answer a foreign address.
import { chmodSync } from 'node:fs';
import { dirname } from 'node:path';
import t from 'tap';
import { CapturedPod } from './captured-pod.js';
import { documents, resource } from './fleet.js';
import { LiveMesh } from './live-mesh.js';

const [HTTP, TCP, UNDECLARED, DIRECT] = [8080, 9000, 9100, 15020] as const;
const OTHER = '10.77.1.21';

/** Every server says who called it, and at which address. */
const app = `
  import { createServer } from 'node:http';
  import { createServer as createTcpServer } from 'node:net';
  const said = ({ remoteAddress, localAddress }) => remoteAddress + ' at ' + localAddress;
  const http = createServer((request, response) => response.end(said(request.socket)));
  await new Promise((resolve) => http.listen(${HTTP}, '0.0.0.0', resolve));
  for (const port of ${JSON.stringify([TCP, UNDECLARED, DIRECT])}) {
    const tcp = createTcpServer((socket) => {
      socket.on('error', () => {});
      socket.once('data', () => socket.end(said(socket)));
    });
    await new Promise((resolve) => tcp.listen(port, '0.0.0.0', resolve));
  }
  console.log('ready');`;

const world = `
  import { createServer } from 'node:http';
  const server = createServer((request, response) => response.end('from the world'));
  await new Promise((resolve) => server.listen(${HTTP}, '10.77.1.1', resolve));
  console.log('ready');`;

const callers = (pod: CapturedPod) => `
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
  const out = { http: [], tcp: [], undeclared: [], direct: await say(${DIRECT}, '${OTHER}') };
  for (let i = 0; i < 4; i++) {
    for (const from of ['${pod.outsideIp}', '${OTHER}']) {
      out.http.push(await get(from));
      out.tcp.push(await say(${TCP}, from));
      out.undeclared.push(await say(${UNDECLARED}, from));
    }
  }
  console.log(JSON.stringify(out));
  process.exit();`;

t.test('the application sees its callers', { timeout: 90_000 }, async (t) => {
  if (process.getuid?.() !== 0) {
    t.pass('needs root for network namespaces', { skip: true });
    return;
  }
  const pod = new CapturedPod({ tproxy: true });
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
  pod.setUp([OTHER]);
  await mesh.startServer();
  const xds = mesh.server.xds[0] ?? '';
  const socket = xds.replace('unix:', '');
  // The sidecar runs as another user.
  chmodSync(dirname(socket), 0o755);
  chmodSync(socket, 0o666);
  await Promise.all([
    pod.serve('pod', app),
    pod.serve('world', world),
    pod.startSidecar(xds, { app: 'app' }),
  ]);
  await mesh.synced();
  const seen = (await pod.run('world', callers(pod))) as Record<string, string[] | string>;
  const expected = [pod.outsideIp, OTHER].map((from) => `${from} at ${pod.ip}`);
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
      request({ host: '10.77.1.99', port: 80, headers: { host: 'outside.test' } }, (response) => {
        response.on('data', (data) => resolve(response.statusCode + ' ' + data));
      }).end();
    });
    console.log(JSON.stringify(answer));`,
  );
  t.equal(outbound, '200 from the world', 'its own calls are redirected as ever');

  const spec = {
    ingress: [
      { port: { number: TCP, protocol: 'TCP', name: 'tcp' }, defaultEndpoint: `127.0.0.1:${TCP}` },
      { port: { number: HTTP, protocol: 'HTTP', name: 'http' } },
    ],
  };
  await mesh.applied(() =>
    mesh.write('sidecar.yaml', documents(resource('Sidecar', 'default', spec))),
  );
  const again = (await pod.run('world', callers(pod))) as Record<string, string[]>;
  t.strictSame(
    [again['tcp']?.slice(-2), again['http']?.slice(-2)],
    [['127.0.0.1 at 127.0.0.1', '127.0.0.1 at 127.0.0.1'], expected.map((text) => `200 ${text}`)],
    'but not where it is called at 127.0.0.1',
  );
});
