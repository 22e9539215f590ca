import t from 'tap';
import type { Resource } from '../../src/kinds/resource.js';
import { buildMesh, type Mesh } from '../../src/mesh/build-mesh.js';
import { findDestinationRule } from '../../src/mesh/destination-rule.js';
import type { DestinationRule } from '../../src/mesh/rules.js';
import { viewOf } from '../../src/mesh/view.js';
import { input, make, rule, service, sidecar } from './resources.js';

const reviews = service('reviews', {}, { namespace: 'prod' });
const policy = (simple: string) => ({ trafficPolicy: { loadBalancer: { simple } } });
const fqdn = 'reviews.prod.svc.cluster.local';

function find(mesh: Mesh, client: string): DestinationRule | undefined {
  const [found] = mesh.servicesByHostname.get(fqdn) ?? [];
  return found && findDestinationRule(mesh.destinationRules, client, found);
}

function names(resources: readonly Resource[], client: string): string | undefined {
  const found = find(buildMesh(input(reviews, ...resources)), client);
  return found?.sources.map(({ namespace, name }) => `${namespace}/${name}`).join(' ');
}

const at = (namespace: string, name: string, host: string, spec: object = {}) =>
  rule(name, host, spec, { namespace });

t.test('client, then service, then root namespace', async (t) => {
  const own = at('shop', 'own', fqdn);
  const ofService = at('prod', 'svc', 'reviews');
  const root = at('istio-system', 'root', '*.local');
  t.equal(names([own, ofService, root], 'shop'), 'shop/own');
  t.equal(names([own, ofService, root], 'other'), 'prod/svc');
  t.equal(names([own, root], 'other'), 'istio-system/root');
  t.equal(names([own, ofService, root], 'istio-system'), 'prod/svc', 'root clients too');
  t.equal(names([own], 'other'), undefined);
  const config = make('MeshConfig', 'mesh', { rootNamespace: 'shop' });
  t.equal(names([own, config], 'other'), 'shop/own', 'another root namespace');
});

t.test('the most specific host of a namespace counts', async (t) => {
  const rules = [
    at('prod', 'all', '*'),
    at('prod', 'wide', '*.cluster.local'),
    at('prod', 'narrow', '*.prod.svc.cluster.local'),
  ];
  t.equal(names(rules, 'prod'), 'prod/narrow');
  t.equal(names([...rules, at('prod', 'exact', 'reviews')], 'prod'), 'prod/exact');
  const wildcard = [at('shop', 'wildcard', '*.local'), at('prod', 'exact', 'reviews')];
  t.equal(names(wildcard, 'shop'), 'shop/wildcard', "a client's wildcard hides the service's rule");
});

t.test('exportTo', async (t) => {
  const hidden = at('prod', 'hidden', 'reviews', { exportTo: ['.'] });
  t.equal(names([hidden], 'prod'), 'prod/hidden');
  t.equal(names([hidden], 'shop'), undefined);
  const named = at('prod', 'named', 'reviews', { exportTo: ['shop'] });
  t.equal(names([named], 'shop'), 'prod/named');
  t.equal(names([named], 'other'), undefined);
  t.equal(names([named], 'prod'), undefined, 'not even in its own namespace');
  const byDefault = make('MeshConfig', 'mesh', { defaultDestinationRuleExportTo: ['.'] });
  t.equal(names([at('prod', 'plain', 'reviews'), byDefault], 'shop'), undefined);
  t.equal(names([at('prod', 'plain', 'reviews'), byDefault], 'prod'), 'prod/plain');
  const toShop = make('MeshConfig', 'mesh', { defaultDestinationRuleExportTo: ['.', 'shop'] });
  t.equal(names([at('prod', 'plain', 'reviews'), toShop], 'shop'), 'prod/plain');
  t.equal(names([at('prod', 'plain', 'reviews'), toShop], 'prod'), 'prod/plain');
  t.equal(names([at('prod', 'plain', 'reviews'), toShop], 'other'), undefined);
});

t.test('private rules of the root namespace hold for clients there', async (t) => {
  const rules = [
    at('istio-system', 'private', fqdn, { exportTo: ['.'] }),
    at('prod', 'svc', 'reviews'),
  ];
  t.equal(names(rules, 'istio-system'), 'istio-system/private');
  t.equal(names(rules, 'shop'), 'prod/svc');
});

t.test('two rules of one host: subsets merge, the older policy counts', async (t) => {
  const v1 = { name: 'v1', labels: { version: 'v1' } };
  const v2 = { name: 'v2', labels: { version: 'v2' } };
  const first = at('prod', 'b', 'reviews', { ...policy('RANDOM'), subsets: [v1] });
  const other = { ...v1, labels: { version: 'other' } };
  const second = at('prod', 'a', fqdn, { ...policy('ROUND_ROBIN'), subsets: [other, v2] });
  const found = find(buildMesh(input(reviews, second, first)), 'shop');
  t.strictSame(found?.subsets, [v1, v2]);
  t.strictSame(found?.trafficPolicy, { loadBalancer: { simple: 'RANDOM' } });
  t.strictSame(
    found?.sources.map(({ name }) => name),
    ['b', 'a'],
  );
  const bare = at('prod', 'bare', 'reviews', { subsets: [v1] });
  const late = at('prod', 'late', 'reviews', policy('RANDOM'));
  const joined = find(buildMesh(input(reviews, bare, late)), 'shop');
  t.strictSame(joined?.trafficPolicy, { loadBalancer: { simple: 'RANDOM' } });
});

t.test('rules that differ in exportTo stand side by side', async (t) => {
  const all = at('prod', 'all', 'reviews', policy('RANDOM'));
  const one = at('prod', 'one', 'reviews', { ...policy('ROUND_ROBIN'), exportTo: ['shop'] });
  t.equal(names([all, one], 'shop'), 'prod/one');
  t.equal(names([all, one], 'other'), 'prod/all');
});

t.test('a rule for selected clients is not in force for all', async (t) => {
  const selecting = at('prod', 'some', 'reviews', {
    workloadSelector: { matchLabels: { a: 'b' } },
  });
  t.equal(names([selecting], 'shop'), undefined);
});

t.test(
  'a rule with a workloadSelector goes before others, for the clients that it selects',
  async (t) => {
    const workloadSelector = { matchLabels: { app: 'web' } };
    const rules = [
      at('shop', 'all', 'reviews.prod.svc.cluster.local', policy('RANDOM')),
      at('shop', 'some', 'reviews.prod.svc.cluster.local', { workloadSelector }),
      at('shop', 'wide', '*.prod.svc.cluster.local', {
        workloadSelector: { matchLabels: { app: 'web', v: '1' } },
      }),
    ];
    const mesh = buildMesh(input(reviews, ...rules));
    const seenBy = (labels: Record<string, string>, namespace = 'shop') =>
      viewOf(mesh, sidecar(namespace, '10.9.9.9', labels)).outbound.services[0]?.destinationRule
        ?.sources[0]?.name;
    t.equal(seenBy({ app: 'web' }), 'some');
    t.equal(seenBy({ app: 'web', v: '1' }), 'some', 'the most specific host');
    t.equal(seenBy({ app: 'other' }), 'all');
    t.equal(seenBy({ app: 'web' }, 'prod'), undefined, 'of its own namespace only');
  },
);

t.test('rules with a workloadSelector beside others of their namespace', async (t) => {
  const workloadSelector = { matchLabels: { app: 'web' } };
  const seen = (...rules: Resource[]) => {
    const mesh = buildMesh(input(reviews, ...rules));
    const view = viewOf(mesh, sidecar('shop', '10.9.9.9', { app: 'web' }));
    const found = view.outbound.services[0]?.destinationRule;
    return found && [found.sources[0]?.name, ...found.subsets.map(({ name }) => name)].join(' ');
  };
  const subset = (name: string) => ({ subsets: [{ name, labels: {} }] });
  const some = at('shop', 'some', fqdn, { workloadSelector, ...subset('a') });
  t.equal(
    seen(at('shop', 'wide', '*.local', { workloadSelector }), at('shop', 'exact', fqdn)),
    'exact',
    'a more specific host goes before',
  );
  const twin = at('shop', 'twin', fqdn, { workloadSelector, ...subset('b') });
  t.equal(seen(some, twin), 'some a b', 'of equal selectors the younger adds its subsets');
  const other = at('shop', 'other', fqdn, { workloadSelector: { matchLabels: { app: 'x' } } });
  t.equal(seen(other, some), 'some a');
  t.equal(seen(at('shop', 'all', fqdn, subset('b')), some), 'some a', 'not one for everybody');
  const own = at('shop', 'own', fqdn, { exportTo: ['.'], ...subset('b') });
  t.equal(seen(own, some), 'some a b', 'one exported to the own namespace adds its subsets');
});

t.test('the effective rule is the same object while its inputs are', async (t) => {
  const rules = [at('prod', 'a', 'reviews', policy('RANDOM')), at('prod', 'b', 'reviews')];
  const other = at('shop', 'c', 'x');
  const mesh = buildMesh(input(reviews, ...rules, other));
  const next = buildMesh(input(reviews, ...rules, at('shop', 'd', 'y')), mesh);
  t.ok(find(mesh, 'other'));
  t.equal(find(next, 'other'), find(mesh, 'other'));
  const unrelated = buildMesh(input(reviews, ...rules, at('prod', 'e', 'elsewhere')), mesh);
  t.equal(find(unrelated, 'other'), find(mesh, 'other'), 'another rule of the namespace');
});
