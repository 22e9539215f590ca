// Layers change what work costs and never what it gives: every function of snapshots gives the same for a layered
// state as for the flat one of the same resources. And the costs: what views share is looked at and joined once.
import fc from 'fast-check';
import t from 'tap';
import { decode } from '../../src/envoy/codec.js';
import { CLUSTER } from '../../src/envoy/resource.js';
import { layered } from '../../src/lib/layered-map.js';
import {
  buildSnapshot,
  layeredSnapshot,
  layersOf,
  typeSnapshot,
} from '../../src/snapshot/build-snapshot.js';
import { diffTypes } from '../../src/snapshot/diff.js';
import { encodeCounters, encodeResource } from '../../src/snapshot/encode.js';
import { heldSnapshot } from '../../src/snapshot/held.js';
import { replaceResources } from '../../src/snapshot/replace.js';
import { selectNames, unionTypes } from '../../src/snapshot/select.js';
import type { EncodedResource, TypeSnapshot } from '../../src/snapshot/snapshot.js';
import { nameSet } from '../../src/xds/name-set.js';
import { responseCounters, responsePieces } from '../../src/xds/response-bytes.js';

const names = [...'abcdefgh'];

const message = (name: string, mark: number) => ({ name, connect_timeout: { seconds: mark } });

/** A few layers that states are made of, so that some states have layers in common by identity. */
const layer = fc
  .array(fc.tuple(fc.constantFrom(...names), fc.integer({ min: 1, max: 3 })), { maxLength: 4 })
  .map((marks) => typeSnapshot(new Map(marks.map(([name, mark]) => [name, resource(name, mark)]))));

function resource(name: string, mark: number): EncodedResource {
  return encodeResource(CLUSTER, name, message(name, mark));
}

/** A state in layers and without. */
interface Pair {
  layered: TypeSnapshot;
  flat: TypeSnapshot;
}

function pairOf(layers: readonly TypeSnapshot[]): Pair {
  const resources = new Map(layers.flatMap((each) => [...each.resources]));
  // Without the table of equal ones: that would give a layer for a flat state.
  const flat = { ...typeSnapshot(resources), resources };
  return { layered: layeredSnapshot(layers), flat };
}

const states = fc.array(layer, { minLength: 1, maxLength: 6 }).chain((pool) =>
  fc
    .array(fc.uniqueArray(fc.nat(pool.length - 1), { maxLength: 4 }), {
      minLength: 2,
      maxLength: 5,
    })
    .map((picks) => picks.map((pick) => pairOf(pick.map((i) => pool[i]!)))),
);

function content(type: TypeSnapshot): string {
  const lines = [...type.resources].map(([name, { version }]) => `${name} ${version}`);
  return JSON.stringify([type.resources.size, lines.sort()]);
}

function same(a: TypeSnapshot, b: TypeSnapshot, what: string): void {
  if (content(a) !== content(b)) throw new Error(`${what}: ${content(a)} and ${content(b)}`);
  if (a.version !== b.version) throw new Error(`${what}: another version`);
  for (const each of a.layers ?? []) {
    if (each.layers !== undefined || each.resources.size === 0) throw new Error(`${what}: layers`);
  }
}

function changes(before: TypeSnapshot | undefined, after: TypeSnapshot): string {
  const { changed, removed } = diffTypes(before, after);
  const sent = [...changed].map(({ name, version }) => `${name} ${version}`);
  if (sent.length !== changed.length) throw new Error('length');
  return JSON.stringify([sent.sort(), [...removed].sort()]);
}

t.test('layered equals flat', async () => {
  const wanted = nameSet(['a', 'c', 'e', 'none']);
  const exchange = new Map([
    ['a', resource('a', 9)],
    ['b', undefined],
    ['none', resource('none', 1)],
  ]);
  fc.assert(
    fc.property(states, (pairs) => {
      let before: Pair | undefined;
      for (const now of pairs) {
        same(now.layered, now.flat, 'state');
        same(selectNames(now.layered, wanted), selectNames(now.flat, wanted), 'select');
        same(replaceResources(now.layered, exchange), replaceResources(now.flat, exchange), 'rep');
        if (changes(before?.layered, now.layered) !== changes(before?.flat, now.flat)) {
          throw new Error('diff');
        }
        // The way of a stream: to what is there before and now, then on to the next state from there.
        before = before && {
          layered: unionTypes(before.layered, now.layered),
          flat: unionTypes(before.flat, now.flat),
        };
        if (before !== undefined) {
          same(before.layered, before.flat, 'union');
          if (changes(before.layered, now.layered) !== changes(before.flat, now.flat)) {
            throw new Error('what is taken away');
          }
        }
        before ??= now;
      }
    }),
    { numRuns: 500 },
  );
});

t.test('a client that comes back is compared with layers as with a flat state', async () => {
  fc.assert(
    fc.property(states, ([old, now]) => {
      const versions = [...old!.flat.resources].map(([name, { version }]) => [name, version]);
      const held = heldSnapshot(new Map(versions as [string, string][]), CLUSTER);
      if (changes(held, now!.layered) !== changes(held, now!.flat)) throw new Error('diff');
      const union = unionTypes(held, now!.layered);
      if (content(union) !== content(unionTypes(held, now!.flat))) throw new Error('union');
    }),
  );
});

t.test('responses in pieces are the message of the flat list', async () => {
  const to = { typeUrl: CLUSTER, nonce: '7', identifier: 'me' };
  fc.assert(
    fc.property(states, fc.constantFrom('sotw' as const, 'delta' as const), (pairs, variant) => {
      const form = variant === 'sotw' ? 'DiscoveryResponse' : 'DeltaDiscoveryResponse';
      const texts = [pairs[0]!.layered, pairs[0]!.flat].map((type) => {
        const resources = diffTypes(undefined, type).changed;
        const outgoing = { version: type.version, resources, removed: ['x', 'y'] };
        const bytes = Buffer.concat(responsePieces(outgoing, { ...to, variant }));
        const message = decode<{ resources: object[] }>(
          `envoy.service.discovery.v3.${form}`,
          bytes,
        );
        const list = message.resources.map((each) => JSON.stringify(each)).sort();
        return JSON.stringify([{ ...message, resources: [] }, list]);
      });
      if (texts[0] !== texts[1]) throw new Error(`${texts[0]} and ${texts[1]}`);
    }),
  );
});

t.test('equal content is the same object while it is in use', async (t) => {
  const make = () => typeSnapshot(new Map([['a', resource('a', 1)]]));
  const first = make();
  t.equal(make(), first);
  t.equal(layeredSnapshot([first, typeSnapshot(new Map())]), first, 'empty layers are none');
});

const messages = (prefix: string, count: number, mark = 1) =>
  new Map(
    Array.from({ length: count }, (_, i) => [`${prefix}${i}`, message(`${prefix}${i}`, mark)]),
  );

t.test('one more view of known layers encodes and joins what is its own', async (t) => {
  const outbound = messages('shared-', 100);
  const type = (own: string, shared = outbound) =>
    buildSnapshot(
      new Map([[CLUSTER, layered<string, object>([shared, messages(own, 2)])]]),
    ).types.get(CLUSTER)!;
  const first = type('first-');
  const before = encodeCounters.encodings;
  const sameBefore = encodeCounters.sameMessage;
  const second = type('second-');
  t.equal(encodeCounters.encodings - before, 2);
  t.equal(encodeCounters.sameMessage, sameBefore, 'the shared layer is not walked');
  t.equal(layersOf(second)[0], layersOf(first)[0]);

  const all = [first, second].map((each) => diffTypes(undefined, each).changed);
  t.equal(all[0]!.parts[0], all[1]!.parts[0]);
  const next = messages('shared-', 100);
  next.set('shared-7', message('shared-7', 2));
  const [first2, second2] = [type('first-', next), type('second-', next)];
  const news = [diffTypes(first, first2), diffTypes(second, second2)];
  t.strictSame(
    [...news[1]!.changed].map(({ name }) => name),
    ['shared-7'],
  );
  t.equal(news[0]!.changed.parts[0], news[1]!.changed.parts[0], 'compared once for both');
});

t.test('a part is joined once for a hundred streams', async (t) => {
  const outbound = messages('joined-', 50);
  const kept: Buffer[] = [];
  const before = { ...responseCounters };
  for (let i = 0; i < 100; i++) {
    const type = buildSnapshot(
      new Map([[CLUSTER, layered<string, object>([outbound, messages(`own-${i}-`, 1)])]]),
    ).types.get(CLUSTER)!;
    const resources = diffTypes(undefined, type).changed;
    const to = { variant: 'delta' as const, typeUrl: CLUSTER, nonce: `${i}`, identifier: '' };
    const [, shared] = responsePieces({ version: type.version, resources, removed: [] }, to);
    kept.push(shared!);
  }
  t.ok(
    kept.every((piece) => piece === kept[0]),
    'the very same bytes',
  );
  t.equal(responseCounters.joined - before.joined, 101, 'once for all, and once for each own part');
  t.equal(responseCounters.shared - before.shared, 99);
});
