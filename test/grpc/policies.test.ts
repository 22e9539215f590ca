// DestinationRules as real gRPC clients keep them: load balancing, circuit breaking, outlier detection; and gRPC servers
// that take their listeners from the mesh.
import t from 'tap';
import { until } from '../envoy/live-mesh.js';
import { type CallOptions, languages, type Outcomes } from './grpc-client.js';
import { destinationRule, startGrpcMesh, target } from './grpc-mesh.js';

t.setTimeout(120_000);
const scene = await startGrpcMesh();
const every = (found: Outcomes) => Object.keys(found).sort().join() === 'OK v1,OK v2';

for (const language of languages) await scene.clients[language].call(target);

/** The outcomes with one client once they are as they should be, or the last ones after a while. */
async function settled(
  language: (typeof languages)[number],
  options: CallOptions,
  expect: (found: Outcomes) => boolean,
): Promise<Outcomes> {
  let last: Outcomes = {};
  await until(8_000, async () => {
    last = (await scene.clients[language].call(target, options)).outcomes;
    return expect(last);
  }).catch(() => {});
  return last;
}

await t.test('a hash of a header keeps its callers at one endpoint', async (t) => {
  const consistentHash = { httpHeaderName: 'x-user', minimumRingSize: 64 };
  await scene.write('rule', destinationRule({ loadBalancer: { consistentHash } }));
  for (const language of languages) {
    const callers = Array.from({ length: 12 }, (_, i) => `user-${i}`);
    const sticky = (found: Outcomes) => Object.keys(found).length === 1;
    const places = await Promise.all(
      callers.map((user) => settled(language, { count: 8, metadata: { 'x-user': user } }, sticky)),
    );
    t.ok(places.every(sticky), `${language}: each caller`, { places });
    const met = new Set(places.flatMap((found) => Object.keys(found)));
    t.strictSame([...met].sort(), ['OK v1', 'OK v2'], `${language}: callers at all endpoints`);
  }
});

await t.test('a hash of the source address keeps a channel at one endpoint', async (t) => {
  const consistentHash = { useSourceIp: true };
  await scene.write('rule', destinationRule({ loadBalancer: { consistentHash } }));
  for (const language of languages) {
    const one = (found: Outcomes) => Object.keys(found).length === 1;
    const found = await settled(language, { count: 20 }, one);
    t.ok(one(found), language, { found });
  }
});

await t.test('balancers that not every client has are no reason to refuse a cluster', async (t) => {
  for (const simple of ['LEAST_REQUEST', 'RANDOM', 'PASSTHROUGH']) {
    await scene.write('rule', destinationRule({ loadBalancer: { simple } }));
    for (const language of languages) {
      const found = await settled(language, { count: 20 }, every);
      t.ok(every(found), `${language}: ${simple}`, { found });
    }
  }
});

await t.test('calls beyond http2MaxRequests are refused', async (t) => {
  const connectionPool = { http: { http2MaxRequests: 2 } };
  await scene.write('rule', destinationRule({ connectionPool }));
  const options = { count: 8, concurrency: 8, metadata: { 'x-sleep-ms': '300' } };
  const limited = (found: Outcomes) =>
    (found['OK v1'] ?? 0) + (found['OK v2'] ?? 0) === 2 && found['UNAVAILABLE'] === 6;
  for (const language of languages) {
    const found = await settled(language, options, limited);
    t.ok(limited(found), language, { found });
  }
});

await t.test('an endpoint that only fails is left out for a while', async (t) => {
  const outlierDetection = {
    consecutive5xxErrors: 3,
    interval: '0.5s',
    baseEjectionTime: '30s',
    maxEjectionPercent: 100,
  };
  await scene.write('rule', destinationRule({ outlierDetection }));
  scene.v2.fails = 13;
  for (const language of languages) {
    const ejected = (found: Outcomes) => found['OK v1'] === 20;
    const found = await settled(language, { count: 20 }, ejected);
    t.ok(ejected(found), language, { found });
  }
  scene.v2.fails = undefined;
  await scene.write('rule', destinationRule());
});

await t.test('no client refused anything', async (t) => {
  t.strictSame(scene.refusals(), []);
});
