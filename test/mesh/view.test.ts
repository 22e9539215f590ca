import t from 'tap';
import type { Resource } from '../../src/kinds/resource.js';
import { buildMesh } from '../../src/mesh/build-mesh.js';
import { parseProxy } from '../../src/mesh/parse-proxy.js';
import type { Proxy as ConnectedProxy } from '../../src/mesh/proxy.js';
import { viewOf } from '../../src/mesh/view.js';
import {
  input,
  type Meta,
  make,
  routeTo,
  rule,
  service,
  sidecar,
  slice,
  virtualService,
  workload,
} from './resources.js';

function view(client: ConnectedProxy, ...resources: readonly Resource[]) {
  return viewOf(buildMesh(input(...resources)), client);
}

function hosts(client: string, ...resources: readonly Resource[]): string[] {
  const { services } = view(sidecar(client), ...resources).outbound;
  return services.map(({ service: found }) => `${found.namespace}/${found.hostname}`);
}

const exported = (name: string, exportTo: string, namespace = 'default') =>
  service(name, {}, { namespace, annotations: { 'networking.istio.io/exportTo': exportTo } });
const entry = (host: string, meta: Meta, spec: object = {}) =>
  make('ServiceEntry', `${host}-${meta.namespace}`, { hosts: [host], ...spec }, meta);

t.test('exportTo of services', async (t) => {
  const resources = [
    service('open'),
    exported('own', '.'),
    exported('given', 'shop'),
    exported('none', '~'),
  ];
  const fqdn = (name: string) => `default/${name}.default.svc.cluster.local`;
  t.strictSame(hosts('default', ...resources), ['open', 'own'].map(fqdn));
  t.strictSame(hosts('shop', ...resources), ['given', 'open'].map(fqdn));
  t.strictSame(hosts('far', ...resources), ['open'].map(fqdn));
});

t.test('a default of exportTo may name namespaces', async (t) => {
  const config = make('MeshConfig', 'mesh', {
    defaultServiceExportTo: ['.', 'shop'],
    defaultVirtualServiceExportTo: ['.', 'shop'],
  });
  const resources = [config, service('plain'), exported('open', '*'), routeTo('rule', 'plain')];
  const fqdn = (name: string) => `default/${name}.default.svc.cluster.local`;
  const rules = (client: string) =>
    view(sidecar(client), ...resources).outbound.virtualServices.map(({ source }) => source.name);
  for (const namespace of ['default', 'shop']) {
    t.strictSame(hosts(namespace, ...resources), ['open', 'plain'].map(fqdn), namespace);
    t.strictSame(rules(namespace), ['rule'], namespace);
  }
  t.strictSame(hosts('far', ...resources), ['open'].map(fqdn));
  t.strictSame(rules('far'), []);
});

t.test('one service for each hostname: own namespace, else the oldest', async (t) => {
  const a = entry('x.com', { namespace: 'a' });
  const b = entry('x.com', { namespace: 'b' });
  const c = entry('x.com', { namespace: 'c' }, { exportTo: ['shop'] });
  t.strictSame(hosts('b', b, a), ['b/x.com']);
  t.strictSame(hosts('far', b, a), ['a/x.com']);
  t.strictSame(hosts('shop', a, b, c), ['c/x.com'], 'exported by name before public');
});

t.test('a Service is not hidden by a ServiceEntry of another namespace', async (t) => {
  const squatter = entry('a.default.svc.cluster.local', { namespace: 'evil' });
  t.strictSame(hosts('far', squatter, service('a')), ['default/a.default.svc.cluster.local']);
  t.strictSame(hosts('evil', squatter, service('a')), ['evil/a.default.svc.cluster.local']);
});

t.test('VirtualServices: visible ones of the mesh, private before public', async (t) => {
  const resources = [
    routeTo('public', 'a'),
    routeTo('given', 'a', {}, { exportTo: ['shop'] }),
    routeTo('private', 'a', { namespace: 'shop' }, { exportTo: ['.'] }),
    routeTo('gateway', 'a', {}, { gateways: ['gw'] }),
    routeTo('both', 'a', {}, { gateways: ['gw', 'mesh'] }),
    virtualService('delegate', { http: [] }),
  ];
  const names = (client: string) =>
    view(sidecar(client), ...resources).outbound.virtualServices.map(({ source }) => source.name);
  t.strictSame(names('shop'), ['private', 'given', 'public', 'both']);
  t.strictSame(names('far'), ['public', 'both']);
});

t.test('DestinationRules come with the service', async (t) => {
  const own = rule('own', 'a.default.svc.cluster.local', {}, { namespace: 'shop' });
  const ofService = rule('svc', 'a');
  const found = (client: string) =>
    view(sidecar(client), service('a'), own, ofService).outbound.services[0]?.destinationRule;
  t.equal(found('shop')?.sources[0]?.name, 'own');
  t.equal(found('far')?.sources[0]?.name, 'svc');
  t.equal(view(sidecar('far'), service('a')).outbound.services[0]?.destinationRule, undefined);
});

t.test('endpoints of visible services only', async (t) => {
  const resources = [
    service('a'),
    exported('hidden', '.'),
    workload('w', { address: '10.0.0.1', labels: { app: 'hidden' } }),
  ];
  t.equal(view(sidecar('default'), ...resources).outbound.endpoints.size, 2);
  t.equal(view(sidecar('far'), ...resources).outbound.endpoints.size, 1);
});

t.test('namespaces that see the same share one scope', async (t) => {
  const mesh = buildMesh(
    input(service('a'), exported('own', '.', 'shop'), rule('r', 'a', {}, { namespace: 'rules' })),
  );
  const outbound = (client: ConnectedProxy) => viewOf(mesh, client).outbound;
  t.equal(outbound(sidecar('far')), outbound(sidecar('other')));
  t.equal(outbound(sidecar('shop', '10.0.0.1')), outbound(sidecar('shop', '10.0.0.2')));
  t.not(outbound(sidecar('shop')), outbound(sidecar('far')));
  t.not(outbound(sidecar('rules')).services, outbound(sidecar('far')).services);
});

t.test('traits: only labels that a rule asks about', async (t) => {
  const asking = virtualService('v', {
    hosts: ['a'],
    http: [{ match: [{ sourceLabels: { version: 'v1', tier: 'x' } }], route: [] }],
    tcp: [{ match: [{ sourceLabels: { zone: 'z' } }] }],
  });
  const client = sidecar('default', '10.0.0.1', { app: 'c', version: 'v2', zone: 'q' });
  t.strictSame(view(client, asking).proxy.labels, { version: 'v2', zone: 'q' });
  t.strictSame(view(client, service('a')).proxy.labels, {});
});

t.test('traits: address families', async (t) => {
  const families = (ip: string) => {
    const { ipv4, ipv6 } = view(sidecar('default', ip)).proxy;
    return [ipv4, ipv6];
  };
  t.strictSame(families('10.0.0.1'), [true, false]);
  t.strictSame(families('2001:db8::1'), [false, true]);
  t.strictSame(families('unknown'), [true, false]);
});

function inbound(client: ConnectedProxy, ...resources: readonly Resource[]): string[] {
  return view(client, ...resources).inbound.ports.map(
    ({ service: of, port, targetPort }) => `${of.name}:${port.number}->${targetPort}`,
  );
}

t.test('inbound: services with an endpoint at an address of the proxy', async (t) => {
  const resources = [
    service('a'),
    service('b', { selector: undefined, ports: [{ name: 'http', port: 80 }] }),
    workload('w', { address: '10.0.0.1', labels: { app: 'a' }, ports: { http: 7000 } }),
    slice('s', 'b', { endpoints: [{ addresses: ['10.0.0.1'] }] }),
    entry(
      'x.com',
      { namespace: 'default' },
      {
        ports: [{ number: 443, name: 'tls', targetPort: 8443 }],
        resolution: 'STATIC',
        workloadSelector: { labels: { app: 'a' } },
      },
    ),
    entry(
      'far.com',
      { namespace: 'far' },
      {
        ports: [{ number: 1, name: 'tcp' }],
        resolution: 'STATIC',
        endpoints: [{ address: '10.0.0.1' }],
      },
    ),
  ];
  t.strictSame(inbound(sidecar('default', '10.0.0.1'), ...resources), [
    'a:8080->7000',
    'x.com:443->8443',
    'b:80->9090',
  ]);
  t.strictSame(inbound(sidecar('default', '10.0.0.9'), ...resources), []);
  t.strictSame(inbound(sidecar('other', '10.0.0.1'), ...resources), []);
});

t.test('inbound: services that select the labels of the proxy', async (t) => {
  const resources = [
    service('a', {
      ports: [
        { name: 'http', port: 80, targetPort: 9090 },
        { name: 'http-two', port: 81, targetPort: 9090 },
        { name: 'tcp', port: 82, targetPort: 9090 },
        { name: 'udp', port: 83, protocol: 'UDP' },
        { name: 'named', port: 84, targetPort: 'web' },
      ],
    }),
    service('narrow', { selector: { app: 'a', version: 'v1' } }),
    service('all', { selector: {} }),
    service('a', {}, { namespace: 'far' }),
  ];
  const client = sidecar('default', '10.0.0.1', { app: 'a' });
  t.strictSame(inbound(client, ...resources), ['a:80->9090', 'a:82->9090']);
  t.strictSame(
    inbound(client, ...resources, workload('w', { address: '10.0.0.1', ports: { web: 7 } })),
    ['a:84->7', 'a:80->9090', 'a:82->9090'],
    'a named port is that of the own WorkloadEntry',
  );
});

t.test('inbound: the service that a plain Envoy names as its cluster', async (t) => {
  const plain = (cluster: string) => parseProxy({ id: 'my-envoy', cluster, metadata: {} });
  for (const name of ['a', 'a.default', 'a.default.svc.cluster.local']) {
    t.strictSame(inbound(plain(name), service('a'), service('b')), ['a:8080->9090'], name);
  }
  t.strictSame(inbound(plain('other'), service('a')), []);
  const id = 'sidecar~10.0.0.1~x.default~default.svc.cluster.local';
  t.strictSame(inbound(parseProxy({ id, cluster: 'a', metadata: {} }), service('a')), []);
});

t.test('inbound: the oldest service of a target port comes first', async (t) => {
  const young = service('a', {}, { timestampMs: 2 });
  const old = service('z', { selector: { app: 'a' } }, { timestampMs: 1 });
  const client = sidecar('default', '10.0.0.1', { app: 'a' });
  t.strictSame(inbound(client, young, old), ['z:8080->9090', 'a:8080->9090']);
});

t.test(
  'rules of a gateway: those for its namespace alone, then by name, then public',
  async (t) => {
    const id = 'router~10.0.0.1~gw.edge~edge.svc.cluster.local';
    const proxy = parseProxy({ id, cluster: '', metadata: { LABELS: { app: 'gw' } } });
    const server = { port: { number: 80, name: 'http', protocol: 'HTTP' }, hosts: ['*/a.com'] };
    const bound = (name: string, namespace: string, exportTo?: string[]) =>
      routeTo(
        name,
        'a.com',
        { namespace },
        { gateways: ['edge/gw'], ...(exportTo && { exportTo }) },
      );
    const mesh = buildMesh(
      input(
        make(
          'Gateway',
          'gw',
          { selector: { app: 'gw' }, servers: [server] },
          { namespace: 'edge' },
        ),
        bound('public', 'shop'),
        bound('hidden', 'shop', ['.']),
        bound('named', 'shop', ['edge', '.']),
        bound('own', 'edge', ['.']),
      ),
    );
    const rules = viewOf(mesh, proxy).gateway?.virtualServices ?? [];
    t.strictSame(
      rules.map(({ source }) => source.name),
      ['own', 'named', 'public'],
    );
  },
);

t.test('gateways serve no workload', async (t) => {
  const id = 'router~10.0.0.1~gw.default~default.svc.cluster.local';
  const gateway = parseProxy({ id, cluster: '', metadata: { LABELS: { app: 'a' } } });
  t.strictSame(inbound(gateway, service('a')), []);
});

t.test('what a proxy says of itself', async (t) => {
  const mesh = buildMesh(input(service('a')));
  const says = (metadata: Record<string, string>) =>
    viewOf(mesh, { ...sidecar('default'), metadata: { NAMESPACE: 'default', ...metadata } });
  const plain = says({});
  t.equal(plain.settings, mesh.settings);
  t.equal(
    says({ PROXY_CONFIG: '{"statusPort": 15020}' }).settings,
    mesh.settings,
    'nothing of ours',
  );
  const [one, other] = [says({ HTTP10: '1', X: 'y' }), says({ HTTP10: '1' })];
  t.equal(one.settings, other.settings, 'equal settings are shared');
  t.equal(one.key, other.key);
  t.not(one.key, plain.key);
  t.equal(one.outbound, plain.outbound);
});

t.test('views keep identity, and keys tell them apart', async (t) => {
  const resources = [
    service('a'),
    workload('w1', { address: '10.0.0.1', labels: { app: 'a' } }),
    workload('w2', { address: '10.0.0.2', labels: { app: 'a' } }),
  ];
  const client = sidecar('default', '10.0.0.1', { app: 'a' });
  const mesh = buildMesh(input(...resources));
  const first = viewOf(mesh, client);
  t.equal(viewOf(mesh, client), first);
  t.equal(viewOf(buildMesh(input(...resources), mesh), client), first);
  const again = viewOf(mesh, sidecar('default', '10.0.0.1', { app: 'a' }));
  t.not(again, first);
  t.equal(again.key, first.key);
  t.not(viewOf(mesh, sidecar('default', '10.0.0.2', { app: 'a' })).key, first.key);
  t.not(viewOf(mesh, sidecar('far', '10.0.0.1', { app: 'a' })).key, first.key);
  const other = workload('w2', { address: '10.0.0.3', labels: { app: 'a' } });
  const next = viewOf(buildMesh(input(...resources.slice(0, 2), other), mesh), client);
  t.not(next, first);
  t.equal(next.inbound, first.inbound);
  t.equal(next.proxy, first.proxy);
  t.equal(next.outbound.services, first.outbound.services);
  t.not(next.outbound.endpoints, first.outbound.endpoints);
});
