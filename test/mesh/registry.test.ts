import t from 'tap';
import type { Resource } from '../../src/kinds/resource.js';
import { buildMesh } from '../../src/mesh/build-mesh.js';
import type { Service } from '../../src/mesh/service.js';
import { input, type Meta, make, service } from './resources.js';

const entry = (name: string, spec: object, meta: Meta = {}) =>
  make('ServiceEntry', name, { hosts: [`${name}.com`], ...spec }, meta);
const port = (number: number, name = `tcp-${number}`) => ({ number, name, protocol: 'TCP' });

function servicesOf(...resources: readonly Resource[]): readonly Service[] {
  return buildMesh(input(...resources)).services;
}

t.test('v1 Service', async (t) => {
  const ports = [
    { name: 'http', port: 80, targetPort: 8080 },
    { name: 'named', port: 81, targetPort: 'web' },
    { port: 82, targetPort: 0 },
  ];
  const [found] = servicesOf(
    service('a', { clusterIP: '10.0.0.1', ports }, { namespace: 'prod', labels: { team: 'x' } }),
  );
  t.match(found, {
    hostname: 'a.prod.svc.cluster.local',
    namespace: 'prod',
    name: 'a',
    registry: 'kubernetes',
    addresses: ['10.0.0.1'],
    headless: false,
    resolution: 'static',
    meshExternal: false,
    selector: { app: 'a' },
    visibility: '*',
    labels: { team: 'x' },
    source: { kind: 'Service', namespace: 'prod', name: 'a' },
  });
  t.strictSame(found?.ports, [
    { number: 80, name: 'http', protocol: 'HTTP', targetPort: 8080 },
    { number: 81, name: 'named', protocol: 'Auto', targetPort: 'web' },
    { number: 82, name: '', protocol: 'Auto' },
  ]);
});

t.test('addresses of v1 Services', async (t) => {
  const dual = { clusterIP: '10.0.0.1', clusterIPs: ['10.0.0.1', '2001:db8::1'] };
  t.strictSame(servicesOf(service('a', dual))[0]?.addresses, ['10.0.0.1', '2001:db8::1']);
  t.strictSame(servicesOf(service('a'))[0]?.addresses, []);
  const [headless] = servicesOf(service('a', { clusterIP: 'None', clusterIPs: ['None'] }));
  t.match(headless, { addresses: [], headless: true, resolution: 'none' });
});

t.test('ServiceEntry: one service for each host', async (t) => {
  const services = servicesOf(
    entry('x', {
      hosts: ['a.com', 'b.com', 'a.com'],
      addresses: ['10.1.0.0/16', '10.2.0.1/32', '2001:db8::1/128'],
      ports: [{ ...port(443, 'tls'), protocol: 'TLS', targetPort: 8443 }],
      location: 'MESH_INTERNAL',
      resolution: 'STATIC',
      exportTo: ['.', 'other'],
    }),
  );
  t.strictSame(
    services.map(({ hostname }) => hostname),
    ['a.com', 'b.com'],
  );
  t.match(services[0], {
    name: 'a.com',
    registry: 'external',
    addresses: ['10.1.0.0/16', '10.2.0.1', '2001:db8::1'],
    ports: [{ number: 443, name: 'tls', protocol: 'TLS', targetPort: 8443 }],
    resolution: 'static',
    meshExternal: false,
    visibility: new Set(['default', 'other']),
    source: { kind: 'ServiceEntry', namespace: 'default', name: 'x' },
  });
});

t.test('resolution and location of ServiceEntries', async (t) => {
  const table: [resolution: string | undefined, expected: string][] = [
    [undefined, 'none'],
    ['NONE', 'none'],
    ['STATIC', 'static'],
    ['DNS', 'dns'],
    ['DNS_ROUND_ROBIN', 'dns-round-robin'],
  ];
  for (const [resolution, expected] of table) {
    const [found] = servicesOf(entry('x', { resolution }));
    t.equal(found?.resolution, expected, String(resolution));
    t.equal(found?.meshExternal, true, 'MESH_EXTERNAL is the default');
  }
});

t.test('exportTo', async (t) => {
  const annotated = (value: string) =>
    service('a', {}, { annotations: { 'networking.istio.io/exportTo': value } });
  t.strictSame(servicesOf(annotated('., x'))[0]?.visibility, new Set(['default', 'x']));
  t.strictSame(servicesOf(annotated('x,*'))[0]?.visibility, '*');
  t.strictSame(servicesOf(annotated('~'))[0]?.visibility, new Set());
  t.strictSame(servicesOf(annotated(''))[0]?.visibility, '*');
  const config = make('MeshConfig', 'mesh', { defaultServiceExportTo: ['.'] });
  t.strictSame(servicesOf(config, service('a'))[0]?.visibility, new Set(['default']));
  t.strictSame(servicesOf(config, annotated('*'))[0]?.visibility, '*');
});

t.test('ServiceEntries of one host in one namespace come together', async (t) => {
  const one = entry('one', { hosts: ['x.com'], ports: [port(1), port(2)], resolution: 'DNS' });
  const two = entry('two', { hosts: ['x.com'], ports: [port(2), port(3)], resolution: 'DNS' });
  const services = servicesOf(two, one);
  t.equal(services.length, 1);
  t.strictSame(
    services[0]?.ports.map(({ number }) => number),
    [1, 2, 3],
  );
  t.equal(services[0]?.source.name, 'one');
  const other = entry('two', { hosts: ['x.com'], ports: [port(3)], resolution: 'STATIC' });
  t.equal(servicesOf(one, other)[0]?.ports.length, 2, 'unlike ones do not');
  const at = (name: string, ...addresses: string[]) =>
    entry(name, { hosts: ['x.com'], ports: [port(1)], resolution: 'STATIC', addresses });
  const [both] = servicesOf(at('a', '192.0.2.1'), at('b', '192.0.2.2', '192.0.2.1'));
  t.strictSame(both?.addresses, ['192.0.2.1', '192.0.2.2']);
  t.strictSame(servicesOf(at('a'), at('b', '192.0.2.2'))[0]?.addresses, []);
});

t.test('a v1 Service counts before a ServiceEntry of its host', async (t) => {
  const squatter = entry('x', { hosts: ['a.default.svc.cluster.local'], ports: [port(1)] });
  const services = servicesOf(squatter, service('a'));
  t.strictSame(
    services.map(({ registry }) => registry),
    ['kubernetes'],
  );
});

t.test('oldest first', async (t) => {
  const services = servicesOf(
    service('late', {}, { timestampMs: 2000 }),
    service('untimed'),
    entry('early', { ports: [port(1)] }, { timestampMs: 1000 }),
  );
  t.strictSame(
    services.map(({ name }) => name),
    ['early.com', 'late', 'untimed'],
  );
});

t.test('ExternalName', async (t) => {
  const external = (name: string, externalName: string) =>
    service(name, { type: 'ExternalName', externalName });
  const [alone] = servicesOf(external('db', 'db.example.com.'));
  t.match(alone, { resolution: 'dns', externalName: 'db.example.com', meshExternal: true });
  const services = servicesOf(
    service('a'),
    external('alias', 'a.default.svc.cluster.local'),
    external('second', 'alias.default.svc.cluster.local'),
  );
  t.equal(services.length, 1);
  t.strictSame(services[0]?.aliases, [
    'alias.default.svc.cluster.local',
    'second.default.svc.cluster.local',
  ]);
  const circle = servicesOf(
    external('x', 'y.default.svc.cluster.local'),
    external('y', 'x.default.svc.cluster.local'),
  );
  t.equal(circle.length, 2, 'a circle is no alias and does no harm');
  const strict = servicesOf(
    make('MeshConfig', 'mesh', { outboundTrafficPolicy: { mode: 'REGISTRY_ONLY' } }),
    service('a'),
    external('alias', 'a.default.svc.cluster.local'),
    external('out', 'db.example.com'),
  );
  t.strictSame(
    strict.map(({ name, aliases }) => [name, aliases]),
    [['a', ['alias.default.svc.cluster.local']]],
    'REGISTRY_ONLY: only what is another name of a service',
  );
});
