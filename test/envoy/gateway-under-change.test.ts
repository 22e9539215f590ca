// The promise at a gateway: edits of all kinds take effect and cost no request, over HTTP and HTTPS, on connections that
// are kept and on new ones. Each edit is seen in force before the next one.
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import { TestCa } from '../xds/certificates.js';
import { documents, resource } from './fleet.js';
import { dated, GatewayMesh, secret } from './gateway-mesh.js';
import { until } from './live-mesh.js';
import { startLoad } from './load.js';
import { keepAliveLoad, repeat } from './secure-load.js';

const rounds = Number(process.env['ROUNDS'] ?? 5);
const scene = await GatewayMesh.start(['v1', 'v2', 'v3', 'v4']);
const { fleet } = scene;
const [port, plain] = [await fleet.freePort(), await fleet.freePort()];
const ca = new TestCa('servers');

/** What edits change; each shape is a valid mesh in which `shop.test` is served. */
interface Shape {
  service: string;
  members: string[];
  subsets: [string, string];
  weight: number;
  gateway: string;
  certificate: string;
  moreHosts: string[];
  moreServers: boolean;
  path: string;
}

const shape: Shape = {
  ...{ service: 'shop', members: ['v1', 'v2'], subsets: ['one', 'two'], weight: 50 },
  ...{ gateway: 'edge', certificate: '0', moreHosts: [], moreServers: false, path: '/a' },
};

const pairs = new Map<string, ReturnType<TestCa['issue']>>();
function pairOf(commonName: string) {
  const known = pairs.get(commonName) ?? ca.issue({ names: ['shop.test'], commonName });
  pairs.set(commonName, known);
  return known;
}

function resources(now: Shape): object[] {
  const { service, members, subsets, weight, gateway } = now;
  const host = `${service}.svc.test`;
  const tls = { mode: 'SIMPLE', credentialName: 'edge' };
  const destination = (subset: string) => ({ destination: { host, subset } });
  return [
    resource('ServiceEntry', service, {
      ...{ hosts: [host], resolution: 'STATIC', location: 'MESH_INTERNAL' },
      ports: [{ number: fleet.port, name: 'http', protocol: 'HTTP' }],
      endpoints: members.map((member, i) => ({
        address: fleet.address(member),
        labels: { half: i % 2 ? 'b' : 'a' },
      })),
    }),
    resource('DestinationRule', service, {
      host,
      subsets: subsets.map((name, i) => ({ name, labels: { half: i ? 'b' : 'a' } })),
    }),
    scene.gateway(gateway, [
      ...(now.moreServers ? [{ port, protocol: 'HTTPS', hosts: ['aside.test'], tls }] : []),
      { port, protocol: 'HTTPS', hosts: ['shop.test', ...now.moreHosts], tls },
      { port: plain, hosts: ['shop.test', ...now.moreHosts] },
    ]),
    dated('VirtualService', 'shop', {
      ...{ hosts: ['shop.test', ...now.moreHosts], gateways: [gateway] },
      http: [
        // Tells which edit is in force.
        { match: [{ uri: { exact: now.path } }], directResponse: { status: 418 } },
        {
          route: [
            { ...destination(subsets[0]), weight },
            { ...destination(subsets[1]), weight: 100 - weight },
          ],
        },
      ],
    }),
    secret('edge', pairOf(now.certificate)),
  ];
}

/** One of each kind; `round` makes them differ. */
const edits: Readonly<Record<string, (now: Shape, round: number) => void>> = {
  weight: (now, round) => {
    now.weight = [10, 90, 30, 50][round % 4]!;
  },
  'names of subsets': (now, round) => {
    now.subsets = round % 2 ? ['one', 'two'] : ['first', 'second'];
  },
  endpoints: (now, round) => {
    now.members = round % 2 ? ['v1', 'v2'] : ['v3', 'v4'];
  },
  'another service, and the old one goes': (now, round) => {
    now.service = round % 2 ? 'shop' : 'store';
  },
  certificate: (now, round) => {
    now.certificate = String(round + 1);
  },
  'hosts of its server': (now, round) => {
    now.moreHosts = round % 2 ? [] : ['more.test'];
  },
  'a server beside it': (now, round) => {
    now.moreServers = round % 2 === 0;
  },
  'the name of the Gateway': (now, round) => {
    now.gateway = round % 2 ? 'edge' : 'border';
  },
};

const write = () => scene.mesh.write('shop.yaml', documents(...resources(shape)));
const answer = async () => (await scene.askSecure(port, 'shop.test', { path: shape.path })).status;

t.test(`${rounds} rounds of edits under load`, { timeout: 150_000 }, async (t) => {
  await scene.write('shop', resources(shape));
  const kept = keepAliveLoad({ host: scene.at, port }, 'shop.test');
  const fresh = repeat(1, async () => {
    const { status, error } = await scene.askSecure(port, 'shop.test');
    return status === 200 ? '' : `${status} ${error}`;
  });
  const overHttp = startLoad(`http://${scene.at}:${plain}/`, {
    ...{ headers: { host: 'shop.test' }, connections: 2, secondsMax: 140 },
  });
  const failed = () => kept.failures.length + fresh.failures.length;
  let count = 0;
  for (let round = 0; round < rounds; round++) {
    for (const [name, edit] of Object.entries(edits)) {
      edit(shape, round);
      count++;
      shape.path = `/in-force-${count}`;
      const before = failed();
      await scene.mesh.applied(write);
      await until(5_000, async () => (await answer()) === 418);
      await sleep(30);
      t.equal(failed(), before, `${round}: ${name}`);
    }
  }
  const [plainly] = await Promise.all([overHttp.stop(), kept.stop(), fresh.stop()]);
  t.strictSame(kept.failures.slice(0, 5), [], 'HTTPS on connections that are kept');
  t.strictSame(fresh.failures.slice(0, 5), [], 'HTTPS on new ones');
  t.strictSame(plainly.failures.slice(0, 5), [], 'HTTP');
  const answers = [kept.requests, fresh.requests, plainly.requests];
  t.ok(
    answers.every((requests) => requests > count * 2),
    `there was load: ${answers}`,
  );
  t.comment(`${count} edits, requests: ${answers.join(' + ')}, ${kept.connections} connections`);
});

t.test('Envoy took everything', async (t) => {
  t.strictSame(
    scene.mesh.log.filter(({ level }) => level === 'error'),
    [],
  );
});
