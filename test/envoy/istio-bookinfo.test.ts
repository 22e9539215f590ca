// Istio's bookinfo sample and the tasks that are done with it: request routing, fault injection, traffic shifting and
// request time-outs, each with the task's own steps and expected results (istio.io, Tasks, Traffic Management). The
// applications are small imitations that call each other through their sidecars; productpage gives reviews 3 s and
// tries twice, as the real one does. Ports of the samples are at addresses that nobody else has.
import { request } from 'node:http';
import t from 'tap';
import { documents, Fleet, resource } from './fleet.js';
import { LiveMesh } from './live-mesh.js';
import { bookinfo, bookinfoServices, pod } from './samples.js';

t.setTimeout(120_000);
const PORT = 9080;
const fleet = new Fleet();
const [productpage, reviews] = [fleet.at(1), fleet.at(2)];
const where = {
  'ratings-v1': fleet.at(11),
  'ratings-v2': fleet.at(12),
  'ratings-v2-mysql': fleet.at(13),
  'ratings-v2-mysql-vm': fleet.at(19),
  'reviews-v1': fleet.at(14),
  'reviews-v2': fleet.at(15),
  'reviews-v3': fleet.at(16),
  'details-v1': fleet.at(17),
  'details-v2': fleet.at(18),
};
const pods = Object.entries(where).map(([name, address]) => {
  const [, app = '', version = ''] = /^(\w+)-(.*)$/.exec(name) ?? [];
  return pod(app, version, address);
});

const mesh = new LiveMesh({ 'bookinfo.yaml': documents(...bookinfoServices, ...pods) });
t.teardown(async () => {
  await mesh.stop();
  await fleet.stop();
});

interface Reply {
  /** 0 when it took too long. */
  status: number;
  body: string;
  tookMs: number;
}

interface CallOptions {
  user?: string | undefined;
  timeoutMs?: number;
}

/** One call of an application through its sidecar. */
function call(sidecar: string, host: string, options: CallOptions = {}): Promise<Reply> {
  const { user, timeoutMs = 10_000 } = options;
  const started = performance.now();
  return new Promise((resolve) => {
    const done = (status: number, body: string) =>
      resolve({ status, body, tookMs: performance.now() - started });
    const headers = { host: `${host}:${PORT}`, ...(user && { 'end-user': user }) };
    const sent = request({ host: sidecar, port: PORT, headers, agent: false }, (response) => {
      let body = '';
      response.on('data', (chunk) => {
        body += chunk;
      });
      response.on('end', () => done(response.statusCode ?? 0, body));
    });
    setTimeout(() => sent.destroy(new Error('too slow')), timeoutMs).unref();
    sent.on('error', () => done(0, ''));
    sent.end();
  });
}

for (const [name, address] of Object.entries(where)) {
  const stars = { 'reviews-v2': 'black', 'reviews-v3': 'red' }[name];
  await mesh.backend(
    address,
    (incoming, response) => {
      if (stars === undefined) {
        response.end(name);
        return;
      }
      const user = incoming.headers['end-user'];
      void call(reviews, 'ratings', { user: user?.toString() }).then(({ status, body }) => {
        response.end(`${name} ${status === 200 ? `${stars} stars of ${body}` : 'no ratings'}`);
      });
    },
    PORT,
  );
}
await mesh.startServer();
// Without the labels of their pods: without interception, inbound listeners would be where the outbound ones are.
await Promise.all([
  mesh.sidecar(productpage, { name: 'productpage' }),
  mesh.sidecar(reviews, { name: 'reviews' }),
]);
await mesh.synced(2);

/** Replaces what was applied before; the files are merged by name, the last one wins, as `kubectl apply` does. */
async function apply(...files: readonly (readonly object[])[]): Promise<void> {
  const byName = new Map<string, object>();
  for (const each of files.flat()) {
    const { kind, metadata } = each as { kind: string; metadata: { name: string } };
    byName.set(`${kind} ${metadata.name}`, each);
  }
  await mesh.applied(() => mesh.write('applied.yaml', documents(...byName.values())));
  await Promise.all([call(productpage, 'details'), call(reviews, 'details')]);
}

/** What the reviews part of the page shows. */
async function page(user?: string): Promise<{ shows: string; tookMs: number }> {
  let tookMs = 0;
  for (let attempt = 0; attempt < 2; attempt++) {
    const reply = await call(productpage, 'reviews', { user, timeoutMs: 3_000 });
    tookMs += reply.tookMs;
    if (reply.status === 200) return { shows: reply.body, tookMs };
  }
  return { shows: 'reviews are unavailable', tookMs };
}

/** How often each version of reviews was shown. */
async function reload(times: number, user?: string): Promise<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (let i = 0; i < times; i++) {
    const version = (await page(user)).shows.split(' ')[0] ?? '';
    counts[version] = (counts[version] ?? 0) + 1;
  }
  return counts;
}

const files = bookinfo;
const all = files['destination-rule-all'];
const allV1 = files['virtual-service-all-v1'];
const [v1, v2, v3] = [
  'reviews-v1',
  'reviews-v2 black stars of ratings-v1',
  'reviews-v3 red stars of ratings-v1',
];

t.test('before any rule, and request routing', { timeout: 60_000 }, async (t) => {
  t.strictSame(
    Object.keys(await reload(40)).sort(),
    ['reviews-v1', 'reviews-v2', 'reviews-v3'],
    'each reload another version',
  );
  await apply(all, allV1);
  t.strictSame(await reload(15), { 'reviews-v1': 15 }, 'all to v1');
  t.equal((await page()).shows, v1, 'no stars');
  t.equal((await call(productpage, 'details')).body, 'details-v1');
  await apply(all, allV1, files['virtual-service-reviews-test-v2']);
  t.equal((await page('jason')).shows, v2, 'jason sees stars');
  t.strictSame(await reload(10, 'jason'), { 'reviews-v2': 10 });
  t.strictSame(await reload(10, 'anna'), { 'reviews-v1': 10 }, 'others do not');
  t.strictSame(await reload(10), { 'reviews-v1': 10 });
});

t.test('fault injection', { timeout: 60_000 }, async (t) => {
  const routed = [all, allV1, files['virtual-service-reviews-test-v2']];
  await apply(...routed, files['virtual-service-ratings-test-delay']);
  const [jason, anna, ratings] = await Promise.all([
    page('jason'),
    page('anna'),
    call(reviews, 'ratings', { user: 'jason' }),
  ]);
  t.equal(jason.shows, 'reviews are unavailable', '7 s are more than the page waits for reviews');
  t.ok(jason.tookMs > 5_900 && jason.tookMs < 7_000, `6 s (${jason.tookMs.toFixed(0)} ms)`);
  t.strictSame([ratings.status, ratings.body], [200, 'ratings-v1'], 'ratings do come');
  t.ok(ratings.tookMs > 6_950, `after 7 s (${ratings.tookMs.toFixed(0)} ms)`);
  t.equal(anna.shows, v1);
  t.ok(anna.tookMs < 2_000, 'others wait for nothing');

  await apply(...routed, files['virtual-service-ratings-test-abort']);
  const aborted = await page('jason');
  t.equal(aborted.shows, 'reviews-v2 no ratings', 'HTTP abort: ratings are unavailable');
  t.ok(aborted.tookMs < 2_000, 'at once');
  t.equal((await page()).shows, v1, 'others are spared');
});

t.test('traffic shifting', { timeout: 60_000 }, async (t) => {
  await apply(all, allV1);
  t.strictSame(await reload(10), { 'reviews-v1': 10 });
  const shares = async (name: keyof typeof files, count = 100) => {
    await apply(all, allV1, files[name]);
    return reload(count);
  };
  // Standard deviations of 5, 3 and 4 in a hundred; five of them are missed once in a million runs.
  const half = await shares('virtual-service-reviews-50-v3');
  t.strictSame(Object.keys(half).sort(), ['reviews-v1', 'reviews-v3'], '50/50');
  t.ok(Math.abs((half['reviews-v3'] ?? 0) - 50) <= 25, JSON.stringify(half));
  const tenth = await shares('virtual-service-reviews-90-10');
  t.ok((tenth['reviews-v2'] ?? 0) <= 25 && !tenth['reviews-v3'], `90/10: ${JSON.stringify(tenth)}`);
  const fifth = await shares('virtual-service-reviews-80-20');
  t.ok(Math.abs((fifth['reviews-v2'] ?? 0) - 20) <= 20, `80/20: ${JSON.stringify(fifth)}`);
  const both = await shares('virtual-service-reviews-v2-v3', 30);
  t.strictSame(Object.keys(both).sort(), ['reviews-v2', 'reviews-v3'], 'v2 and v3');
  t.strictSame(await shares('virtual-service-reviews-v3', 20), { 'reviews-v3': 20 }, 'all to v3');
  t.equal((await page()).shows, v3, 'red stars');
});

t.test('request time-outs', { timeout: 60_000 }, async (t) => {
  const only = (host: string, subset: string, more: object) =>
    resource('VirtualService', host, {
      hosts: [host],
      http: [{ ...more, route: [{ destination: { host, subset } }] }],
    });
  await apply(all, allV1, [only('reviews', 'v2', {})]);
  t.equal((await page()).shows, v2, 'reviews of v2');
  const slow = only('ratings', 'v1', { fault: { delay: { percent: 100, fixedDelay: '2s' } } });
  await apply(all, allV1, [only('reviews', 'v2', {}), slow]);
  const late = await page();
  t.equal(late.shows, v2, 'stars');
  t.ok(late.tookMs >= 1_950, `after 2 s (${late.tookMs.toFixed(0)} ms)`);
  await apply(all, allV1, [only('reviews', 'v2', { timeout: '0.5s' }), slow]);
  const gone = await page();
  t.equal(gone.shows, 'reviews are unavailable');
  t.ok(gone.tookMs > 950 && gone.tookMs < 1_800, `two tries, 1 s (${gone.tookMs.toFixed(0)} ms)`);
  t.equal((await call(productpage, 'reviews')).status, 504);
});

t.test('the other rules of bookinfo', { timeout: 60_000 }, async (t) => {
  const base = [all, allV1];
  await apply(...base, files['virtual-service-reviews-jason-v2-v3']);
  t.equal((await page('jason')).shows, v2);
  t.equal((await page()).shows, v3);
  await apply(...base, files['virtual-service-ratings-db']);
  t.equal((await page()).shows, 'reviews-v3 red stars of ratings-v2');
  await apply(...base, files['virtual-service-ratings-mysql'], files['destination-rule-reviews']);
  t.equal((await page()).shows, 'reviews-v3 red stars of ratings-v2-mysql');
  await apply(...base, files['virtual-service-ratings-mysql-vm']);
  t.equal((await page()).shows, 'reviews-v3 red stars of ratings-v2-mysql-vm');
  await apply(...base, files['virtual-service-details-v2']);
  t.equal((await call(productpage, 'details')).body, 'details-v2');
  await apply(...base, files['fault-injection-details-v1']);
  t.equal((await call(productpage, 'details')).status, 555);
});

t.test('nothing was refused', async (t) => {
  const wrong = mesh.server.controlPlane.state.problems();
  t.strictSame(
    wrong.filter(({ severity }) => severity === 'error'),
    [],
  );
});
