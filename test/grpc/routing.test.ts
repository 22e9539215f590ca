// Rules of the mesh as real gRPC clients keep them, without an Envoy: names, weights, matches, time-outs, retries, faults
// and answers without a backend. Both clients are asked at once.
import t, { type Test } from 'tap';
import { until } from '../envoy/live-mesh.js';
import { type CallOptions, languages, type Outcomes } from './grpc-client.js';
import { startGrpcMesh, target, to, virtualService } from './grpc-mesh.js';

t.setTimeout(120_000);
const scene = await startGrpcMesh();

/** Calls with each client until the outcomes are as they should be: a rule is in force a moment after it was sent. */
async function outcomes(
  t: Test,
  name: string,
  options: CallOptions & { to?: string; expect: (outcomes: Outcomes, ms: number) => boolean },
): Promise<void> {
  const { to: called = target, expect, ...call } = options;
  await Promise.all(
    languages.map(async (language) => {
      let last: { outcomes: Outcomes; ms: number } | undefined;
      const isSo = async () => {
        last = await scene.clients[language].call(called, call);
        return expect(last.outcomes, last.ms);
      };
      await until(6_000, isSo).catch(() => {});
      t.ok(last && expect(last.outcomes, last.ms), `${language}: ${name}`, { found: last });
    }),
  );
}

/** True where every outcome is the one named. */
function only(wanted: string): (outcomes: Outcomes) => boolean {
  return (found) => Object.keys(found).join() === wanted;
}

const every = (found: Outcomes) => Object.keys(found).sort().join() === 'OK v1,OK v2';

await t.test('a service is called by its names, and endpoints share the calls', async (t) => {
  const hosts = ['backend.default.svc.cluster.local', 'backend', 'backend.default'];
  for (const host of [...hosts, 'backend.default.svc']) {
    await outcomes(t, host, { to: `xds:///${host}:8080`, count: 20, expect: every });
  }
});

await t.test('weights', async (t) => {
  await scene.write('vs', virtualService({ route: [to('v1', 80), to('v2', 20)] }));
  const share = (found: Outcomes) => (found['OK v2'] ?? 0) / 400;
  await outcomes(t, '80 to 20', {
    count: 400,
    concurrency: 8,
    // Four standard deviations of 400 draws.
    expect: (found) => Math.abs(share(found) - 0.2) < 0.08 && every(found),
  });
});

await t.test('matches', async (t) => {
  const match = [
    { headers: { 'x-user': { exact: 'anna' } }, method: { exact: 'POST' } },
    { uri: { prefix: '/demo.Backend/' }, headers: { 'x-user': { regex: 'b.*' } } },
  ];
  const get = { match: [{ method: { exact: 'GET' } }], route: [to('v2')] };
  const query = { match: [{ queryParams: { a: { exact: 'b' } } }], route: [to('v2')] };
  const old = { match: [{ withoutHeaders: { 'x-new': { exact: 'yes' } } }], route: [to('v1')] };
  const rest = { route: [to('v2')] };
  await scene.write('vs', virtualService({ match, route: [to('v2')] }, get, query, old, rest));
  const asks = (metadata: Record<string, string>, wanted: string) =>
    outcomes(t, `${JSON.stringify(metadata)}: ${wanted}`, {
      count: 10,
      metadata,
      expect: only(wanted),
    });
  await asks({}, 'OK v1');
  await asks({ 'x-user': 'anna' }, 'OK v2');
  await asks({ 'x-user': 'bert' }, 'OK v2');
  await asks({ 'x-user': 'carl' }, 'OK v1');
  await asks({ 'x-new': 'no' }, 'OK v1');
  await asks({ 'x-new': 'yes' }, 'OK v2');
});

await t.test('time-outs', async (t) => {
  // grpcio counts up to two seconds too few where the time-out is not the caller's own (grpc/grpc#34547, #40633).
  await scene.write('vs', virtualService({ route: [to('v1')], timeout: '3s' }));
  const metadata = { 'x-sleep-ms': '10000' };
  await outcomes(t, 'a slow call ends', {
    metadata,
    timeoutMs: 9000,
    expect: (found, ms) => only('DEADLINE_EXCEEDED')(found) && ms > 500 && ms < 4500,
  });
  await outcomes(t, 'a quick one does not', { expect: only('OK v1') });
});

await t.test('retries', async (t) => {
  const metadata = { 'x-fail-first': '2' };
  const rule = (retries: object) => virtualService({ route: [to('v1')], retries });
  await scene.write('vs', rule({ attempts: 0 }));
  await outcomes(t, 'none', { metadata, expect: only('UNAVAILABLE') });
  await scene.write('vs', rule({ attempts: 3, retryOn: 'connect-failure,unavailable' }));
  await outcomes(t, 'three', { metadata, count: 3, expect: only('OK v1') });
  await scene.write('vs', rule({ attempts: 3, retryOn: 'cancelled' }));
  await outcomes(t, 'for another reason', { metadata, expect: only('UNAVAILABLE') });
});

await t.test('faults', async (t) => {
  const route = [to('v1')];
  const percentage = { value: 100 };
  const abort = (status: object) => ({ abort: { ...status, percentage } });
  await scene.write('vs', virtualService({ route, fault: abort({ grpcStatus: 'NOT_FOUND' }) }));
  await outcomes(t, 'a gRPC status', { count: 5, expect: only('NOT_FOUND') });
  await scene.write('vs', virtualService({ route, fault: abort({ httpStatus: 403 }) }));
  await outcomes(t, 'an HTTP status', { count: 5, expect: only('PERMISSION_DENIED') });
  const delay = { delay: { fixedDelay: '0.3s', percentage } };
  await scene.write('vs', virtualService({ route, fault: delay }));
  await outcomes(t, 'a delay', { expect: (found, ms) => only('OK v1')(found) && ms >= 290 });
});

await t.test('answers without a backend, and what gRPC has no word for', async (t) => {
  const said = { directResponse: { status: 403 } };
  await scene.write('vs', virtualService(said));
  await outcomes(t, 'a direct response', { expect: only('PERMISSION_DENIED') });
  await scene.write('vs', virtualService({ redirect: { uri: '/other' } }));
  await outcomes(t, 'a redirect', { expect: only('UNKNOWN') });
  const corsPolicy = { allowOrigins: [{ exact: 'https://a.example' }] };
  const rewrite = { uri: '/', authority: 'other' };
  const headers = { request: { set: { 'x-a': 'b' } }, response: { add: { 'x-c': 'd' } } };
  const mirror = { host: 'backend.default.svc.cluster.local', subset: 'v1' };
  const more = { corsPolicy, rewrite, headers, mirror };
  await scene.write('vs', virtualService({ route: [to('v2')], ...more }));
  await outcomes(t, 'the rest of a rule', { count: 5, expect: only('OK v2') });
});

await t.test('no client refused anything', async (t) => {
  t.strictSame(scene.refusals(), []);
});
