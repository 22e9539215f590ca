// What proxies at different places have in common: everything where no rule asks, all messages but those of the
// services that ask where one does.
import t from 'tap';
import { CLUSTER, ENDPOINT, LISTENER, ROUTE } from '../../src/envoy/resource.js';
import { parseProxy } from '../../src/mesh/parse-proxy.js';
import { viewOf } from '../../src/mesh/view.js';
import { translate } from '../../src/translate/translate.js';
import { documents, resource } from '../envoy/fleet.js';
import { CaseMesh } from './case-run.js';

function entry(name: string, over: object = {}): object {
  return resource('ServiceEntry', name, {
    hosts: [`${name}.test`],
    resolution: 'STATIC',
    ports: [{ number: 80, name: 'http', protocol: 'HTTP' }],
    endpoints: [
      { address: '10.0.0.1', locality: 'west/z1', labels: { site: 'one' } },
      { address: '10.0.0.2', locality: 'east/z1', labels: { site: 'two' } },
    ],
    ...over,
  });
}

function rule(name: string, trafficPolicy: object): object {
  return resource('DestinationRule', name, { host: `${name}.test`, trafficPolicy });
}

function proxy(name: string, region: string, labels: Record<string, string> = {}) {
  return parseProxy({
    id: `sidecar~10.9.9.9~${name}.default~default.svc.cluster.local`,
    cluster: name,
    metadata: { NAMESPACE: 'default', LABELS: labels },
    locality: { region, zone: 'z1' },
  });
}

const west = proxy('west', 'west', { site: 'one', version: 'v1' });
const east = proxy('east', 'east', { site: 'two', version: 'v2' });
const alsoWest = proxy('also', 'west', { site: 'one', version: 'v3' });

async function seen(all: readonly object[], mesh = new CaseMesh()) {
  const read = await mesh.read([documents(...all)]);
  return [west, east, alsoWest].map((each) => {
    const view = viewOf(read.mesh, each);
    return { view, resources: translate(view).resources };
  });
}

t.test('nobody asks: one result for all', async (t) => {
  const all = [entry('a'), rule('a', { connectionPool: { tcp: { maxConnections: 3 } } })];
  const [one, two] = await seen(all);
  t.equal(one?.view.proxy.place, undefined);
  t.equal(one?.view.key, two?.view.key);
  for (const type of [ENDPOINT, ROUTE]) {
    t.equal(one?.resources.get(type), two?.resources.get(type), type);
  }
});

t.test('one service asks: all others are shared', async (t) => {
  const all = [entry('a'), entry('b'), rule('b', { outlierDetection: {} })];
  const mesh = new CaseMesh();
  const [one, two, three] = await seen(all, mesh);
  for (const type of [CLUSTER, LISTENER, ROUTE]) {
    const theirs = two?.resources.get(type);
    for (const [name, message] of one?.resources.get(type) ?? []) {
      t.equal(message, theirs?.get(name), name);
    }
  }
  const here = one?.resources.get(ENDPOINT);
  const there = two?.resources.get(ENDPOINT);
  t.equal(here?.get('outbound|80||a.test'), there?.get('outbound|80||a.test'), 'a does not ask');
  t.not(here?.get('outbound|80||b.test'), there?.get('outbound|80||b.test'), 'b does');
  t.strictSame(one?.view.proxy.place, {
    locality: { region: 'west', zone: 'z1', subzone: '' },
    labels: {},
  });
  t.equal(here, three?.resources.get(ENDPOINT), 'the same place, the same map');
  t.equal(one?.view.key, three?.view.key, 'other labels, which nobody asks about');

  const moved = entry('a', { endpoints: [{ address: '10.0.0.3' }] });
  const [after] = await seen([moved, ...all.slice(1)], mesh);
  const now = after?.resources.get(ENDPOINT);
  t.not(now?.get('outbound|80||a.test'), here?.get('outbound|80||a.test'));
  t.equal(now?.get('outbound|80||b.test'), here?.get('outbound|80||b.test'), 'b is left alone');
});

t.test('labels: only those asked about', async (t) => {
  const balancer = { localityLbSetting: { failoverPriority: ['site', 'rack=7'] } };
  const all = [entry('a'), rule('a', { outlierDetection: {}, loadBalancer: balancer })];
  const [one, two] = await seen(all);
  t.strictSame(one?.view.proxy.place?.labels, { site: 'one' });
  t.strictSame(two?.view.proxy.place?.labels, { site: 'two' });
  t.strictSame(one?.view.proxy.labels, {}, 'routes do not ask about them');
});

t.test('places that come to the same share an assignment', async (t) => {
  const distribute = [{ from: 'north', to: { west: 100 } }];
  const all = [entry('a'), rule('a', { loadBalancer: { localityLbSetting: { distribute } } })];
  const [one, two] = await seen(all);
  const of = (each: typeof one) => each?.resources.get(ENDPOINT)?.get('outbound|80||a.test');
  t.ok(of(one));
  t.equal(of(one), of(two), 'the rule is for neither');
});

t.test('DNS: the clusters of the service that asks are by place', async (t) => {
  const dns = {
    resolution: 'DNS',
    endpoints: [
      { address: 'one.example.com', locality: 'west' },
      { address: 'two.example.com', locality: 'east' },
    ],
  };
  const all = [entry('a', dns), entry('b', dns), rule('b', { outlierDetection: {} })];
  const [one, other] = await seen(all);
  const of = (each: typeof one, name: string) => each?.resources.get(CLUSTER)?.get(name);
  t.equal(of(one, 'outbound|80||a.test'), of(other, 'outbound|80||a.test'));
  t.not(of(one, 'outbound|80||b.test'), of(other, 'outbound|80||b.test'));
});
