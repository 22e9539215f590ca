import t from 'tap';
import type { Problem } from '../../src/kinds/problem.js';
import type { Resource } from '../../src/kinds/resource.js';
import { analyzeMesh } from '../../src/mesh/analyze.js';
import { buildMesh, type Mesh } from '../../src/mesh/build-mesh.js';
import { findEach } from '../../src/mesh/find-each.js';
import { meshSettings } from '../../src/mesh/mesh-settings.js';
import {
  input,
  make,
  routeTo,
  rule,
  service,
  slice,
  virtualService,
  workload,
} from './resources.js';

const to = (destination: object) => ({ route: [{ destination }] });
const entry = (name: string, spec: object = {}) =>
  make('ServiceEntry', name, {
    hosts: [`${name}.test`],
    ports: [{ number: 80, name: 'http', protocol: 'HTTP' }],
    resolution: 'STATIC',
    ...spec,
  });
const inline = (version: string, address = '10.2.0.1') => ({
  endpoints: [{ address, labels: { version } }],
});
const addresses = (...list: string[]) => ({ endpoints: [{ addresses: list }] });

/** A small mesh with something to say about each kind. */
function start(): Map<string, Resource> {
  const subsets = [{ name: 'v1', labels: { version: 'v1' } }];
  const far = { namespace: 'far' };
  const all = [
    service('a'),
    service('b'),
    service('a', {}, far),
    slice('a-1', 'a', addresses('10.0.0.1')),
    workload('w', { address: '10.0.0.2', labels: { app: 'b', version: 'v2' } }),
    entry('e', inline('v1')),
    entry('tcp', { ports: [{ number: 90, name: 'tcp', protocol: 'TCP' }] }),
    rule('e', 'e.test', { subsets }),
    rule('nowhere', 'nowhere.test', { exportTo: ['gone'] }),
    rule('wide', '*.test', { subsets }),
    virtualService('v', { hosts: ['a'], http: [to({ host: 'e.test', subset: 'v1' })] }),
    virtualService('ingress', { hosts: ['x.test'], gateways: ['g'], http: [to({ host: 'a' })] }),
    routeTo('second', 'a'),
    routeTo('lost', 'lost.test'),
    make('Gateway', 'g', {
      selector: { app: 'b' },
      servers: [{ port: { number: 80, name: 'http', protocol: 'HTTP' }, hosts: ['x.test'] }],
    }),
    make('Sidecar', 's', { egress: [{ hosts: ['./lost.test', './e.test'] }] }),
  ];
  return new Map(all.map((one) => [`${one.kind}/${one.namespace}/${one.name}`, one]));
}

/** Edits in the order in which they are made; undefined removes. */
const edits: [what: string, key: string, spec: object | undefined][] = [
  ['another address', 'EndpointSlice/default/a-1', addresses('10.0.0.9')],
  ['no address', 'EndpointSlice/default/a-1', addresses()],
  ['an address again', 'EndpointSlice/default/a-1', addresses('10.0.0.1')],
  ['an address of a ServiceEntry', 'ServiceEntry/default/e', inline('v1', '10.2.0.2')],
  ['another version', 'ServiceEntry/default/e', inline('v2')],
  ['labels of a workload', 'WorkloadEntry/default/w', { labels: { app: 'b', version: 'v1' } }],
  ['a workload of none', 'WorkloadEntry/default/w', { labels: { app: 'c' } }],
  ['no workload', 'WorkloadEntry/default/w', undefined],
  [
    'subsets',
    'DestinationRule/default/e',
    { subsets: [{ name: 'v2', labels: { version: 'v2' } }] },
  ],
  ['no rule', 'DestinationRule/default/e', undefined],
  ['exportTo', 'DestinationRule/default/nowhere', { exportTo: ['far'] }],
  ['a destination', 'VirtualService/default/v', { http: [to({ host: 'b' })] }],
  ['a host', 'VirtualService/default/v', { hosts: ['b'] }],
  [
    'a subset for sidecars',
    'VirtualService/default/second',
    { http: [to({ host: 'a.default.svc.cluster.local', subset: 'v1' })] },
  ],
  ['another subset', 'VirtualService/default/second', { http: [to({ host: 'a', subset: 'v3' })] }],
  ['none', 'VirtualService/default/second', { http: [to({ host: 'a' })] }],
  ['hosts of a Gateway', 'Gateway/default/g', { servers: [] }],
  ['no Gateway', 'Gateway/default/g', undefined],
  ['hosts of a Sidecar', 'Sidecar/default/s', { egress: [{ hosts: ['./b'] }] }],
  [
    'ports',
    'Service/default/a',
    {
      ports: [
        { name: 'x', port: 1 },
        { name: 'y', port: 2 },
      ],
    },
  ],
  ['no service', 'Service/default/a', undefined],
  ['no namespace', 'Service/far/a', undefined],
  ['a port of a ServiceEntry', 'ServiceEntry/default/tcp', { addresses: ['240.0.0.1'] }],
];

const texts = (problems: readonly Problem[]) => problems.map((problem) => JSON.stringify(problem));

t.test('what is found after an edit is what is found in a new mesh', async (t) => {
  const all = start();
  let mesh: Mesh | undefined;
  const codes = new Set<string>();
  const check = (what: string) => {
    mesh = buildMesh(input(...all.values()), mesh);
    const found = analyzeMesh(mesh);
    const copies = [...all.values()].map((one) => structuredClone(one));
    t.strictSame(texts(found), texts(analyzeMesh(buildMesh(input(...copies)))), what);
    for (const { code } of found) codes.add(code);
  };
  check('at first');
  for (const [what, key, spec] of edits) {
    const before = all.get(key)!;
    if (spec === undefined) all.delete(key);
    else all.set(key, { ...before, spec: { ...(before.spec as object), ...spec } });
    // Findings are not looked for in each generation.
    if (what === 'no address') mesh = buildMesh(input(...all.values()), mesh);
    else check(what);
  }
  t.ok(codes.size > 8, [...codes].join());
});

t.test('an edit of endpoints that says nothing new leaves all findings the same', async (t) => {
  const all = start();
  const mesh = buildMesh(input(...all.values()));
  const found = analyzeMesh(mesh);
  for (const [what, key, spec] of edits.filter(([what]) => what.includes('address'))) {
    if (what === 'no address') continue;
    const before = all.get(key)!;
    const edited = new Map(all).set(key, {
      ...before,
      spec: { ...(before.spec as object), ...spec },
    });
    t.equal(analyzeMesh(buildMesh(input(...edited.values()), mesh)), found, what);
  }
});

t.test('only what is new, or answered differently, is looked at again', async (t) => {
  interface Parts {
    settings: ReturnType<typeof meshSettings>;
    items: readonly { name: string }[];
    answers: Record<string, unknown>;
  }
  const [settings, looked] = [{ ...meshSettings() }, [] as string[]];
  const analyze = findEach({
    items: ({ items }: Parts) => items,
    questions: ({ answers }) => ({ answer: (name: string) => answers[name] }),
    find: ({ name }, ask) => {
      looked.push(name);
      return ask.answer(name) ? [{ code: 'unknown-host', severity: 'info', message: name }] : [];
    },
    touched: () => (item) => item.name !== 'untouched',
  });
  const look = (parts: Omit<Parts, 'settings'>) => {
    const found = analyze({ settings, ...parts });
    return { found, messages: found.map(({ message }) => message), looked: looked.splice(0) };
  };
  const [a, b, c] = [{ name: 'a' }, { name: 'b' }, { name: 'untouched' }];
  const answers = { a: 1, b: ['x', 'y'], untouched: 0 };
  const first = look({ items: [a, b, c], answers });
  t.match(first, { messages: ['a', 'b'], looked: ['a', 'b', 'untouched'] });
  const equal = look({ items: [a, b, c], answers: { ...answers, b: ['x', 'y'], untouched: 1 } });
  t.strictSame(equal.looked, [], 'arrays of the same elements are the same answer');
  t.equal(equal.found, first.found);
  const other = look({ items: [a, b, c], answers: { ...answers, b: ['x', 'z'] } });
  t.strictSame(other.looked, ['b']);
  t.strictSame(
    look({ items: [a, { name: 'b' }, c], answers: { ...answers, b: ['x', 'z'] } }).looked,
    ['b'],
  );
  const d = { name: 'd' };
  t.match(look({ items: [d, a, c], answers: { ...answers, d: 1 } }), {
    messages: ['d', 'a'],
    looked: ['d'],
  });
});
