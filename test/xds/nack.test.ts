// Whom a client's text accuses: names as whole words, what is quoted, printed resources; and texts that are made to cost.
import t from 'tap';
import { CLUSTER } from '../../src/envoy/resource.js';
import { encodedResource } from '../../src/snapshot/encode.js';
import { guessCulprits, resourcesAtFault } from '../../src/xds/nack.js';

const resource = (name: string, content = name) =>
  encodedResource(CLUSTER, name, Buffer.from(content));

t.test('names as whole words', async (t) => {
  const some = ['shop', 'shop.svc', 'outbound|80||shop.svc'].map((name) => resource(name));
  t.same(resourcesAtFault('no such thing in shop.svc.', some), ['shop.svc']);
  t.same(resourcesAtFault('bad cluster outbound|80||shop.svc: port', some), [
    'outbound|80||shop.svc',
  ]);
  t.same(resourcesAtFault('shopping', some), []);
  t.same(resourcesAtFault('whatever', some.slice(1, 2)), ['shop.svc'], 'the only one');
});

t.test('what is quoted is looked for in the resources', async (t) => {
  const some = [resource('a', 'x(((y'), resource('b', 'fine')];
  t.same(resourcesAtFault(`regex '(((' is invalid`, some), ['a']);
  const files = [resource('a', 'file:///etc/a.wasm'), resource('b', 'file:///etc/b.wasm')];
  t.same(resourcesAtFault('Invalid path: /etc/b.wasm\n', files), ['b'], 'a path without quotes');
});

t.test('a list is trusted, anything else says what to try first', async (t) => {
  const some = ['a', 'b'].map((name) => resource(name));
  const list = 'Error adding/updating cluster(s) a: malformed, zzz: whatever';
  t.same(guessCulprits(list, some), { names: new Set(['a']), certain: true });
  t.same(guessCulprits('a is wrong', some), { names: new Set(['a']), certain: false });
});

t.test('thousands of quotes against megabytes of resources take no time', async (t) => {
  const many = Array.from({ length: 1_000 }, (_, i) => resource(`cluster-${i}`, 'x'.repeat(4_000)));
  const text = Array.from({ length: 12_000 }, (_, i) => `'${i.toString(36)}??'`).join('');
  const start = performance.now();
  t.same(guessCulprits(text, many).names, new Set());
  const ms = performance.now() - start;
  t.ok(ms < 1_000, `${Math.round(ms)} ms`);
});
