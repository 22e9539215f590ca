// Findings about services that only the mesh around them shows: who is called by a wildcard, who may see whom, addresses
// that are missing, and services that nobody of the mesh writes.
import t from 'tap';
import { istioCode } from '../../src/kinds/istio-codes.js';
import { formatPath } from '../../src/kinds/problem.js';
import type { Resource } from '../../src/kinds/resource.js';
import { analyzeMesh } from '../../src/mesh/analyze.js';
import { buildMesh } from '../../src/mesh/build-mesh.js';
import { input, type Meta, make, routeTo, service } from './resources.js';

function problemsOf(...resources: readonly Resource[]) {
  return analyzeMesh(buildMesh(input(...resources))).filter(({ code }) => code !== 'no-endpoints');
}

function findings(...resources: readonly Resource[]): string[] {
  return problemsOf(...resources).map((problem) => {
    const { severity, code, resource, path } = problem;
    const who = `${resource?.kind}/${resource?.name}`;
    return `${severity} ${code} ${istioCode(problem) ?? '-'} ${who} ${formatPath(path ?? [])}`;
  });
}

const entry = (name: string, spec: object, meta: Meta = {}) =>
  make(
    'ServiceEntry',
    name,
    { ports: [{ number: 443, name: 'p', protocol: 'HTTPS' }], resolution: 'NONE', ...spec },
    meta,
  );

const destination = 'VirtualService/v spec.http[0].route[0].destination.host';

t.test('a destination that only a wildcard covers', async (t) => {
  const wild = entry('wild', { hosts: ['*.example.com'] });
  const found = problemsOf(wild, routeTo('v', 'a.b.example.com', {}, { hosts: ['*.example.com'] }));
  t.strictSame(
    found.map(({ code }) => code),
    ['unknown-host'],
  );
  t.match(found[0]?.message, 'that of the ServiceEntry for *.example.com is *.example.com');
  t.strictSame(findings(wild, routeTo('v', '*.example.com')), []);
});

t.test('what may have been meant', async (t) => {
  const far = service('a', {}, { namespace: 'prod' });
  const message = (...resources: Resource[]) =>
    problemsOf(...resources).find(({ code }) => code.startsWith('unknown-'))?.message;
  t.match(message(far, routeTo('v', 'a')), 'a.default.svc.cluster.local; there is a.prod.svc');
  t.notMatch(message(far, routeTo('v', 'b')), 'there is');
  t.notMatch(message(far, routeTo('v', 'a.com')), 'there is');
  const a = service('a');
  const gateway = make('Gateway', 'gw', { servers: [] }, { namespace: 'edge' });
  const bound = (name: string) => routeTo('v', 'a', {}, { gateways: [name] });
  t.match(message(a, gateway, bound('gw')), 'there is no Gateway default/gw; there is edge/gw');
  t.notMatch(message(a, gateway, bound('other')), ';');
});

t.test('a rule that is exported further than its destination', async (t) => {
  const near = { annotations: { 'networking.istio.io/exportTo': '.,friend' } };
  const a = service('a', {}, near);
  const friend = service('f', {}, { namespace: 'friend' });
  const stranger = service('s', {}, { namespace: 'stranger' });
  const all = [a, friend, stranger];
  const rule = (exportTo?: string[]) => routeTo('v', 'a', {}, exportTo ? { exportTo } : {});
  t.strictSame(findings(...all, rule()), [], 'not exported by name');
  t.strictSame(findings(...all, rule(['.', 'friend'])), []);
  const hidden = [`error unknown-host IST0101 ${destination}`];
  t.strictSame(findings(...all, rule(['.', 'stranger'])), hidden);
  t.match(problemsOf(...all, rule(['stranger']))[0]?.message, 'is not exported to stranger');
});

t.test('addresses of ServiceEntries that share a host', async (t) => {
  const ports = [{ number: 80, name: 'p', protocol: 'TCP' }];
  const hosts = ['x.com'];
  const without = entry('without', { hosts, ports });
  const with_ = entry('with', { hosts, ports, addresses: ['10.1.1.1'] });
  t.strictSame(findings(without, with_), [
    'warning addresses-required IST0134 ServiceEntry/without spec.ports[0]',
  ]);
});

t.test('ports of ExternalName services', async (t) => {
  const external = (port: object) =>
    make('Service', 'e', { type: 'ExternalName', externalName: 'x.com', ports: [port] });
  t.strictSame(findings(external({ name: 'https', port: 443 })), []);
  t.strictSame(findings(external({ name: 'tcp', port: 443 })), [
    'warning addresses-required IST0150 Service/e spec.ports[0]',
  ]);
  t.strictSame(findings(external({ name: 'nginx', port: 443 })), [
    'info undeclared-protocol IST0150 Service/e spec.ports[0]',
    'warning addresses-required IST0150 Service/e spec.ports[0]',
  ]);
  const target = entry('target', { hosts: ['x.com'] });
  t.strictSame(findings(target, external({ name: 'tcp', port: 443 })), [], 'another name of it');
});

t.test('ports of services that nobody of the mesh writes', async (t) => {
  const odd = (meta: Meta) => findings(service('a', { ports: [{ name: 'odd', port: 80 }] }, meta));
  t.equal(odd({}).length, 1);
  t.strictSame(odd({ namespace: 'kube-system' }), []);
  const managed: Record<string, string>[] = [
    { istio: 'pilot' },
    { release: 'istio' },
    { 'gateway.istio.io/managed': 'istio.io-gateway-controller' },
  ];
  for (const labels of managed) {
    t.strictSame(odd({ labels }), []);
  }
});
