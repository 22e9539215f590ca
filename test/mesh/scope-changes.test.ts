// Scopes behind Sidecars: found without a look at the whole mesh, and left alone by edits that they do not see.
import fc from 'fast-check';
import t from 'tap';
import type { Resource } from '../../src/kinds/resource.js';
import { buildMesh, type Mesh } from '../../src/mesh/build-mesh.js';
import { egressFilter } from '../../src/mesh/egress.js';
import { candidateRules, candidateServices } from '../../src/mesh/egress-candidates.js';
import { viewOf } from '../../src/mesh/view.js';
import { input, make, routeTo, rule, service, sidecar, slice } from './resources.js';

const host = (name: string, namespace: string) => `${name}.${namespace}.svc.cluster.local`;
const egress = (name: string, namespace: string, ...hosts: readonly string[][]) =>
  make('Sidecar', name, { egress: hosts.map((each) => ({ hosts: each })) }, { namespace });
const onPort = (namespace: string) =>
  make(
    'Sidecar',
    'on-port',
    {
      egress: [
        { port: { number: 8080 }, hosts: ['./*', 'two/*'] },
        { hosts: ['*/*.com', '~one/*'] },
      ],
    },
    { namespace },
  );

const everything: readonly Resource[] = [
  ...['one', 'two', 'three'].flatMap((namespace) => [
    service('a', {}, { namespace }),
    service('b', {}, { namespace, annotations: { 'networking.istio.io/exportTo': '.,three' } }),
    slice('a1', 'a', { endpoints: [{ addresses: ['10.0.0.1'] }] }, { namespace }),
    make('ServiceEntry', 'x', { hosts: ['x.com', host('a', 'one')] }, { namespace }),
    routeTo('a', host('a', namespace), { namespace }),
    routeTo('to-b', host('b', 'two'), { namespace }, { hosts: [host('a', 'one')] }),
    routeTo('any', 'x.com', { namespace }, { hosts: ['*.com'], exportTo: ['.', 'two'] }),
    routeTo('gateway', 'x.com', { namespace }, { gateways: ['gw'] }),
    rule('a', host('a', namespace), {}, { namespace }),
  ]),
  rule('root', '*.local', {}, { namespace: 'istio-system' }),
  egress('own', 'one', ['./*']),
  egress('named', 'one', ['two/*', `*/${host('a', 'one')}`]),
  egress('all', 'two', ['*/*', `~three/*`]),
  onPort('two'),
  egress('two-lists', 'three', ['./a.three.svc.cluster.local'], ['one/*', '*/x.com']),
  egress('root', 'istio-system', ['./*', 'two/*']),
];

const clients = ['one', 'two', 'three', 'four'].map((namespace) => sidecar(namespace));

function seen(mesh: Mesh) {
  return clients.map((client) => {
    const { outbound } = viewOf(mesh, client);
    const { services, virtualServices, listeners, endpoints } = outbound;
    return { services, virtualServices, listeners, endpoints: [...endpoints] };
  });
}

function plain(value: unknown): string {
  return JSON.stringify(value, (_key, part: unknown) =>
    part instanceof Map ? [...part] : part instanceof Set ? [...part].sort() : part,
  );
}

t.test('a scope made on another is what it would be alone', async (t) => {
  // Few changes from one to the next, as edits are.
  const edits = fc.array(fc.array(fc.nat(everything.length - 1), { maxLength: 3 }), {
    minLength: 1,
    maxLength: 5,
  });
  fc.assert(
    fc.property(fc.subarray([...everything]), edits, (start, toggles) => {
      let there = new Set(start);
      let mesh = buildMesh(input(...there));
      seen(mesh);
      for (const toggle of toggles) {
        there = new Set(there);
        for (const at of toggle) {
          const resource = everything[at]!;
          if (!there.delete(resource)) there.add(resource);
        }
        mesh = buildMesh(input(...there), mesh);
        if (plain(seen(mesh)) !== plain(seen(buildMesh(input(...there))))) {
          throw new Error('they differ');
        }
      }
    }),
    { numRuns: 300 },
  );
  t.pass();
});

t.test('the order of resources does not matter', async (t) => {
  const expected = plain(seen(buildMesh(input(...everything))));
  fc.assert(
    fc.property(fc.shuffledSubarray([...everything], { minLength: everything.length }), (all) => {
      if (plain(seen(buildMesh(input(...all)))) !== expected) throw new Error('they differ');
    }),
    { numRuns: 50 },
  );
  t.pass();
});

const scoped = everything.filter(({ kind, name }) => kind !== 'Sidecar' || name === 'own');

t.test('edits that a Sidecar hides leave the scope the same object', async (t) => {
  const before = buildMesh(input(...scoped));
  const [client] = clients;
  const { outbound } = viewOf(before, client!);
  const hidden = [
    service('new', {}, { namespace: 'two' }),
    routeTo('new', 'new', { namespace: 'two' }),
    rule('new', host('b', 'one'), {}, { namespace: 'two' }),
    slice('new', 'a', { endpoints: [{ addresses: ['10.9.9.1'] }] }, { namespace: 'two' }),
  ];
  for (const resource of hidden) {
    const after = buildMesh(input(...scoped, resource), before);
    t.equal(viewOf(after, client!).outbound, outbound, resource.kind);
  }
  const without = buildMesh(input(...scoped.filter((it) => it.namespace !== 'three')), before);
  t.equal(viewOf(without, client!).outbound, outbound, 'a whole namespace less');
  for (const { spec, kind, name } of hidden) {
    const meta = kind === 'EndpointSlice' ? slice('new', 'a', {}).labels : {};
    const own = make(kind, name, spec as object, { namespace: 'one', labels: meta });
    const after = buildMesh(input(...scoped, own), before);
    t.not(viewOf(after, client!).outbound, outbound, `${kind} of its own namespace`);
  }
});

t.test('what entries may mean is looked up', async (t) => {
  const mesh = buildMesh(input(...everything));
  const names = (hosts: string[]) => {
    const entries = hosts.map((each) => {
      const [namespace = '', name = ''] = each.split('/');
      return { namespace, host: name, excluded: false };
    });
    const filter = egressFilter({ hosts: entries }, 'one');
    return {
      services: [...candidateServices(mesh, filter)].length,
      rules: candidateRules(mesh.virtualServices, filter).length,
    };
  };
  const { services, virtualServices } = mesh;
  t.strictSame(names(['./*']), {
    services: services.filter(({ namespace }) => namespace === 'one').length,
    rules: virtualServices.filter(({ source }) => source.namespace === 'one').length,
  });
  t.strictSame(names(['*/nobody.org']), { services: 0, rules: 3 }, 'rules with wildcards');
  t.strictSame(names(['*/*']), { services: services.length, rules: virtualServices.length });
});
