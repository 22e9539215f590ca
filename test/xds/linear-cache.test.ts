// The linear cache: what it serves after each change, that a change costs what it touches, and versions; and the mux
// cache in front of several.
import fc from 'fast-check';
import t from 'tap';
import { CLUSTER, ENDPOINT, type TypeUrl, type Version } from '../../src/envoy/resource.js';
import { typeSnapshot } from '../../src/snapshot/build-snapshot.js';
import { diffTypes } from '../../src/snapshot/diff.js';
import { encodedResource, encodeResource } from '../../src/snapshot/encode.js';
import type { Snapshot } from '../../src/snapshot/snapshot.js';
import { LinearCache } from '../../src/xds/linear-cache.js';
import { MuxCache } from '../../src/xds/mux-cache.js';
import { createXdsServer, SnapshotCache } from '../../src/xds/server.js';
import { TestClient } from './client.js';
import { snapshot } from './resources.js';

const typeUrl = 'type.googleapis.com/example.Thing' as TypeUrl;
const thing = (name: string, content = name, version?: string) =>
  encodedResource(typeUrl, name, Buffer.from(content), version as Version | undefined);
const contents = (cache: LinearCache) =>
  Object.fromEntries([...(cache.resources(typeUrl) ?? [])].map(([n, r]) => [n, String(r.bytes)]));

t.test('set, update, delete, replace, each told once', async (t) => {
  const cache = new LinearCache();
  const told: Snapshot[] = [];
  const unwatch = cache.watch('any', (now) => void told.push(now!));
  t.equal(cache.get(), undefined, 'nobody is told that all is gone before there was anything');
  cache.set(thing('a'));
  cache.set(thing('a'));
  t.equal(told.length, 1, 'the same again is no change');
  cache.update({
    set: [thing('b'), thing('c'), thing('d', '1')],
    delete: [
      { typeUrl, name: 'a' },
      { typeUrl, name: 'd' },
      { typeUrl, name: 'none' },
    ],
  });
  t.strictSame(contents(cache), { b: 'b', c: 'c', d: '1' });
  t.equal(told.length, 2);
  cache.replace(typeUrl, [thing('c', '2'), thing('e')]);
  t.strictSame(contents(cache), { c: '2', e: 'e' });
  t.equal(told.length, 3);
  t.equal(told.at(-1), cache.get('whoever'));
  cache.delete(typeUrl, 'none');
  cache.delete(CLUSTER, 'none');
  t.equal(told.length, 3);
  unwatch();
  unwatch();
  cache.delete(typeUrl, 'c');
  cache.delete(typeUrl, 'e');
  t.equal(told.length, 3);
  t.strictSame(contents(cache), {});
  t.equal(cache.get()!.types.get(typeUrl)!.version, typeSnapshot(new Map()).version);
  const empty = new LinearCache();
  empty.update({});
  t.equal(empty.get()!.types.size, 0, 'unless it is said');
});

t.test('a snapshot that was given out never changes', async (t) => {
  const cache = new LinearCache();
  cache.replace(
    typeUrl,
    Array.from({ length: 1_000 }, (_, i) => thing(`r${i}`)),
  );
  const before = cache.get()!.types.get(typeUrl)!;
  cache.set(thing('r7', 'other'));
  cache.delete(typeUrl, 'r8');
  t.equal(before.resources.size, 1_000);
  t.equal(String(before.resources.get('r7')!.bytes), 'r7');
  const diff = diffTypes(before, cache.get()!.types.get(typeUrl)!);
  t.strictSame(
    [...diff.changed].map(({ name }) => name),
    ['r7'],
  );
  t.strictSame(diff.removed, ['r8']);
});

t.test(
  'any sequence of changes ends like a plain map, with the version of that content',
  async () => {
    const name = fc.integer({ min: 0, max: 700 }).map((i) => `n${i}`);
    const change = fc.record({
      set: fc.array(fc.tuple(name, fc.integer({ min: 0, max: 3 })), { maxLength: 300 }),
      remove: fc.array(name, { maxLength: 100 }),
    });
    fc.assert(
      fc.property(fc.array(change, { maxLength: 6 }), (changes) => {
        const cache = new LinearCache();
        const model = new Map<string, ReturnType<typeof thing>>();
        for (const { set, remove } of changes) {
          const resources = set.map(([n, mark]) => thing(n, `${mark}`));
          cache.update({ set: resources, delete: remove.map((n) => ({ typeUrl, name: n })) });
          for (const n of remove) model.delete(n);
          for (const resource of resources) model.set(resource.name, resource);
        }
        const type = cache.get()?.types.get(typeUrl);
        const wanted = typeSnapshot(model);
        return (
          (type?.resources.size ?? 0) === model.size &&
          (type === undefined || type.version === wanted.version) &&
          [...model].every(([n, resource]) => type!.resources.get(n) === resource)
        );
      }),
      { numRuns: 60 },
    );
  },
);

t.test('a change among 10,000 costs a fraction of what all of them cost', async (t) => {
  const cache = new LinearCache();
  const all = Array.from({ length: 10_000 }, (_, i) => thing(`resource-${i}`));
  cache.update({ set: all });
  const wholeMs = median(5, (i) => {
    typeSnapshot(new Map([...all, thing('extra', `${i}`)].map((it) => [it.name, it])));
  });
  const oneMs = median(50, (i) => cache.set(thing('resource-77', `${i}`)));
  t.comment(`one change ${oneMs.toFixed(3)} ms, the whole ${wholeMs.toFixed(3)} ms`);
  t.ok(oneMs < wholeMs / 4, `${oneMs} ms against ${wholeMs} ms`);
  t.equal(cache.resources(typeUrl)!.size, 10_000);
});

function median(runs: number, work: (run: number) => void): number {
  const times = Array.from({ length: runs }, (_, run) => {
    const start = performance.now();
    work(run);
    return performance.now() - start;
  });
  return times.sort((a, b) => a - b)[runs >> 1]!;
}

t.test('a listener that changes the cache: nobody is told of an old state last', async (t) => {
  const cache = new SnapshotCache();
  const [first, second] = [snapshot({ clusters: { a: 1 } }), snapshot({ clusters: { a: 2 } })];
  cache.watch('n1', (now) => {
    if (now === first) cache.set('n1', second);
  });
  let last: Snapshot | undefined;
  cache.watch('n1', (now) => {
    last = now;
  });
  cache.set('n1', first);
  t.equal(last, second);
});

t.test('versions of the caller, of resources and of the type', async (t) => {
  const cache = new LinearCache();
  cache.update({ set: [thing('a', 'x', 'r1'), thing('b', 'x', 'r2')], version: 'v1' });
  const type = cache.get()!.types.get(typeUrl)!;
  t.equal(type.version, 'v1');
  t.equal(type.resources.get('b')!.version, 'r2');
  cache.update({ set: [thing('a', 'y', 'r3')], version: 'v2' });
  t.equal(cache.get()!.types.get(typeUrl)!.version, 'v2');
  cache.set(thing('a', 'x', 'r1'));
  t.match(cache.get()!.types.get(typeUrl)!.version, /^[0-9a-f]{16}$/, 'of the content again');
});

t.test('mux: a type from the cache named for it, the rest from another', async (t) => {
  const endpoints = new LinearCache();
  const perNode = new SnapshotCache();
  const mux = new MuxCache({ types: { [ENDPOINT]: endpoints }, rest: perNode });
  t.equal(mux.get('n1'), undefined, 'half a state is none');
  const told: (Snapshot | undefined)[] = [];
  const unwatch = mux.watch('n1', (now) => void told.push(now));
  const whole = snapshot({ clusters: { a: 1 }, endpoints: { a: 1, hidden: 1 } });
  perNode.set('n1', whole);
  t.equal(told.at(-1), undefined, 'the other half is missing');
  endpoints.update({});
  t.strictSame([...told.at(-1)!.types.keys()], [CLUSTER], 'not the endpoints of the other cache');
  endpoints.update({ set: whole.types.get(ENDPOINT)!.resources.values() });
  t.strictSame([...told.at(-1)!.types.keys()], [CLUSTER, ENDPOINT]);
  t.equal(mux.get('n1'), mux.get('n1'), 'the same state is the same object');
  const { length } = told;
  endpoints.set(thing('of no interest'));
  t.equal(told.length, length, 'what is not routed is no news');
  perNode.clear('n1');
  t.equal(told.at(-1), undefined);
  unwatch();
  unwatch();
  perNode.set('n1', whole);
  t.equal(told.length, length + 1);
});

t.test('mux: everybody who watches a group is told, and of a state that comes back', async (t) => {
  const perNode = new SnapshotCache();
  const mux = new MuxCache({ rest: perNode });
  const told: string[] = [];
  for (const who of ['a', 'b']) mux.watch('n1', (now) => void told.push(now ? who : `no ${who}`));
  const state = snapshot({ clusters: { a: 1 } });
  perNode.set('n1', state);
  perNode.clear('n1');
  perNode.set('n1', state);
  t.strictSame(told, ['a', 'b', 'no a', 'no b', 'a', 'b']);
});

t.test('mux: other caches for other groups', async (t) => {
  const [blue, green] = [new LinearCache(), new LinearCache()];
  blue.set(thing('blue'));
  green.set(thing('green'));
  const mux = new MuxCache((group) => ({ rest: group.startsWith('b') ? blue : green }));
  const names = (group: string) => [...mux.get(group)!.types.get(typeUrl)!.resources.keys()];
  t.strictSame(names('b1'), ['blue']);
  t.strictSame(names('g1'), ['green']);
});

for (const variant of ['delta', 'sotw'] as const) {
  t.test(`${variant}: a client follows a linear cache`, async (t) => {
    const endpoint = (name: string, weight = 1) =>
      encodeResource(ENDPOINT, name, {
        cluster_name: name,
        endpoints: [{ load_balancing_weight: { value: weight } }],
      });
    const cache = new LinearCache();
    cache.replace(
      ENDPOINT,
      Array.from({ length: 600 }, (_, i) => endpoint(`r${i}`)),
    );
    const server = createXdsServer({ cache });
    const bound = (await server.listen({ host: '127.0.0.1', port: 0 })) as { port: number };
    const client = new TestClient({ address: `127.0.0.1:${bound.port}`, variant });
    t.teardown(async () => {
      client.close();
      await server.close();
    });
    const names = ['r1', 'r2', 'r3', 'later'];
    const subscribe = variant === 'delta' ? 'resource_names_subscribe' : 'resource_names';
    client.send({ type_url: ENDPOINT, [subscribe]: names });
    const first = await client.next();
    t.strictSame(first.names.toSorted(), ['r1', 'r2', 'r3']);
    client.ack(first, names);
    cache.update({ set: [endpoint('r2', 2), endpoint('later'), endpoint('r500', 2)] });
    const second = await client.next();
    t.strictSame(second.names.toSorted(), ['later', 'r2'], 'what changed of what it asked for');
    client.ack(second, names);
    cache.delete(ENDPOINT, 'r500');
    t.equal(await client.maybeNext(50), undefined, 'nothing of what it did not ask for');
  });
}
