import t from 'tap';
import type { Resource } from '../../src/kinds/resource.js';
import { buildMesh } from '../../src/mesh/build-mesh.js';
import type { Endpoint } from '../../src/mesh/endpoint.js';
import { input, make, service, slice, workload } from './resources.js';

function endpointsOf(port: number, ...resources: readonly Resource[]): readonly Endpoint[] {
  const mesh = buildMesh(input(...resources));
  const [first] = mesh.services;
  return (first && mesh.endpoints.get(first)?.byPort.get(port)) ?? [];
}

const addresses = (endpoints: readonly Endpoint[]) =>
  endpoints.map(({ address, port }) => `${address}:${port}`);

const entry = (spec: object) =>
  make('ServiceEntry', 'x', {
    hosts: ['x.com'],
    ports: [{ number: 80, name: 'http', protocol: 'HTTP', targetPort: 8080 }],
    ...spec,
  });

t.test('WorkloadEntries that a Service selects', async (t) => {
  const found = endpointsOf(
    8080,
    service('a'),
    workload('w2', { address: '10.0.0.2', labels: { app: 'a' }, weight: 3, ports: { http: 7 } }),
    workload(
      'w1',
      { address: '10.0.0.1', locality: 'r/z/s', serviceAccount: 'sa', network: 'n' },
      { labels: { app: 'a', version: 'v1' } },
    ),
    workload('other', { address: '10.0.0.3', labels: { app: 'b' } }),
    workload('far', { address: '10.0.0.4', labels: { app: 'a' } }, { namespace: 'far' }),
    workload('dns', { address: 'name.example.com', labels: { app: 'a' } }),
    workload('unix', { address: 'unix:///a', labels: { app: 'a' } }),
    workload('twin', { address: '10.0.0.1', labels: { app: 'a' } }),
  );
  t.strictSame(found, [
    {
      address: '10.0.0.1',
      port: 9090,
      unixSocket: false,
      // Istio adds where a workload is to its labels (label.AugmentLabels).
      labels: {
        app: 'a',
        version: 'v1',
        'topology.istio.io/network': 'n',
        'topology.kubernetes.io/region': 'r',
        'topology.kubernetes.io/zone': 'z',
        'topology.istio.io/subzone': 's',
      },
      locality: { region: 'r', zone: 'z', subzone: 's' },
      weight: 0,
      healthy: true,
      network: 'n',
      namespace: 'default',
      serviceAccount: 'sa',
      workloadName: 'w1',
      hostname: '',
    },
    {
      address: '10.0.0.2',
      port: 7,
      unixSocket: false,
      labels: { app: 'a' },
      locality: { region: '', zone: '', subzone: '' },
      weight: 3,
      healthy: true,
      network: '',
      namespace: 'default',
      serviceAccount: '',
      workloadName: 'w2',
      hostname: '',
    },
  ]);
});

t.test('a named targetPort is the port of that name of the workload', async (t) => {
  const found = endpointsOf(
    80,
    service('a', { ports: [{ name: 'http', port: 80, targetPort: 'web' }] }),
    workload('w1', { address: '10.0.0.1', labels: { app: 'a' }, ports: { web: 7000 } }),
    workload('w2', { address: '10.0.0.2', labels: { app: 'a' }, ports: { http: 7000 } }),
  );
  t.strictSame(addresses(found), ['10.0.0.1:7000']);
});

t.test('EndpointSlices', async (t) => {
  const condition = (address: string, conditions: object) => ({
    addresses: [address],
    conditions,
  });
  const resources = [
    slice('s1', 'a', {
      endpoints: [
        condition('10.0.0.2', { ready: false }),
        condition('10.0.0.1', {}),
        condition('10.0.0.3', { ready: false, terminating: true }),
        { addresses: ['10.0.0.4'], zone: 'z' },
      ],
    }),
    slice('s2', 'a', { addressType: 'FQDN', endpoints: [{ addresses: ['x.com'] }] }),
    slice('s3', 'a', { addressType: 'IPv6', endpoints: [{ addresses: ['2001:db8::1'] }] }),
    slice('s4', 'a', { ports: [{ name: 'x', port: 1 }], endpoints: [{ addresses: ['10.0.0.9'] }] }),
    slice('s5', 'b', { endpoints: [{ addresses: ['10.0.0.8'] }] }),
    slice('s6', 'a', { endpoints: [{ addresses: ['10.0.0.7'] }] }, { namespace: 'far' }),
  ];
  const found = endpointsOf(8080, service('a'), ...resources);
  t.strictSame(
    found.map(({ address, healthy }) => [address, healthy]),
    [
      ['10.0.0.1', true],
      ['10.0.0.2', false],
      ['10.0.0.4', true],
      ['2001:db8::1', true],
    ],
  );
  t.equal(found[2]?.locality.zone, 'z');
  const published = endpointsOf(
    8080,
    service('a', { publishNotReadyAddresses: true }),
    ...resources,
  );
  t.ok(published.every(({ healthy }) => healthy));
});

t.test('labels of the endpoints of a slice', async (t) => {
  const endpoints = [{ addresses: ['10.0.0.1'] }, { addresses: ['10.0.0.2'] }];
  const byWorkload = workload('w', { address: '10.0.0.1', labels: { version: 'v1' } });
  const handwritten = slice('s', 'a', { endpoints }, { labels: { version: 'v2' } });
  t.strictSame(
    endpointsOf(8080, service('a'), handwritten, byWorkload).map(({ labels }) => labels),
    [{ version: 'v1' }, { version: 'v2' }],
  );
  const managed = { version: 'v2', 'endpointslice.kubernetes.io/managed-by': 'controller' };
  const generated = slice('s', 'a', { endpoints }, { labels: managed });
  t.strictSame(
    endpointsOf(8080, service('a'), generated).map(({ labels }) => labels),
    [{}, {}],
  );
  const own = {
    'endpointslice.kubernetes.io/managed-by': 'staff',
    'app.kubernetes.io/version': '2',
  };
  const [kept] = endpointsOf(8080, service('a'), slice('s', 'a', { endpoints }, { labels: own }));
  t.strictSame(kept?.labels, { 'app.kubernetes.io/version': '2' }, 'slices of other tools');
});

t.test('v1 Endpoints count where there is no slice', async (t) => {
  const endpoints = make('Endpoints', 'a', {
    subsets: [
      {
        addresses: [{ ip: '10.0.0.1' }],
        notReadyAddresses: [{ ip: '10.0.0.2' }],
        ports: [{ name: 'http', port: 1 }],
      },
    ],
  });
  const found = endpointsOf(8080, service('a'), endpoints);
  t.strictSame(
    found.map(({ address, port, healthy }) => [address, port, healthy]),
    [
      ['10.0.0.1', 1, true],
      ['10.0.0.2', 1, false],
    ],
  );
  const sliced = slice('s', 'a', { endpoints: [{ addresses: ['10.0.0.5'] }] });
  t.strictSame(addresses(endpointsOf(8080, service('a'), endpoints, sliced)), ['10.0.0.5:9090']);
});

t.test('ServiceEntry', async (t) => {
  const inline = entry({
    resolution: 'STATIC',
    endpoints: [
      { address: '10.0.0.2', ports: { http: 1 } },
      { address: '10.0.0.1' },
      { address: 'unix:///run/a.sock' },
      { address: 'name.example.com' },
    ],
  });
  const found = endpointsOf(80, inline);
  t.strictSame(addresses(found), ['/run/a.sock:0', '10.0.0.1:8080', '10.0.0.2:1']);
  t.strictSame(
    found.map(({ unixSocket, workloadName }) => [unixSocket, workloadName]),
    [
      [true, 'x-2'],
      [false, 'x-1'],
      [false, 'x-0'],
    ],
  );
  t.strictSame(addresses(endpointsOf(80, entry({ resolution: 'DNS' }))), ['x.com:8080']);
  const named = entry({ resolution: 'DNS', endpoints: [{ address: 'name.example.com' }] });
  t.strictSame(addresses(endpointsOf(80, named)), ['name.example.com:8080']);
  t.strictSame(endpointsOf(80, entry({ resolution: 'STATIC' })), []);
  const selecting = entry({ resolution: 'STATIC', workloadSelector: { labels: { app: 'x' } } });
  const selected = [
    workload('w1', { address: '10.0.0.1', labels: { app: 'x' } }),
    workload('w2', { address: 'name.example.com', labels: { app: 'x' } }),
  ];
  t.strictSame(addresses(endpointsOf(80, selecting, ...selected)), ['10.0.0.1:8080']);
});

t.test('ServiceEntries of one host bring their endpoints together', async (t) => {
  const one = entry({ resolution: 'STATIC', endpoints: [{ address: '10.0.0.1' }] });
  const two = make('ServiceEntry', 'y', {
    hosts: ['x.com'],
    ports: [{ number: 80, name: 'http', protocol: 'HTTP' }],
    resolution: 'STATIC',
    endpoints: [{ address: '10.0.0.2' }],
  });
  t.strictSame(addresses(endpointsOf(80, one, two)), ['10.0.0.1:8080', '10.0.0.2:80']);
});

t.test('ExternalName without a service is a DNS endpoint', async (t) => {
  const external = service('db', { type: 'ExternalName', externalName: 'db.example.com' });
  t.strictSame(addresses(endpointsOf(8080, external)), ['db.example.com:9090']);
});

t.test('ServiceEntries of one host and namespace bring their endpoints together', async (t) => {
  const selecting = (version: string) =>
    make(
      'ServiceEntry',
      version,
      {
        hosts: ['x.com'],
        resolution: 'STATIC',
        ports: [{ number: 80, name: 'http', protocol: 'HTTP' }],
        workloadSelector: { labels: { version } },
      },
      { labels: { version } },
    );
  const entries = [selecting('v1'), selecting('v2')];
  const workloads = [
    workload('w1', { address: '10.0.0.1', labels: { version: 'v1' } }),
    workload('w2', { address: '10.0.0.2', labels: { version: 'v2' } }),
  ];
  t.strictSame(addresses(endpointsOf(80, ...entries, ...workloads)), [
    '10.0.0.1:80',
    '10.0.0.2:80',
  ]);
});

t.test('a number that stands for UDP too', async (t) => {
  const dns = service('a', {
    ports: [
      { name: 'dns', port: 53, protocol: 'UDP' },
      { name: 'dns-tcp', port: 53 },
    ],
  });
  const ports = [
    { name: 'dns', port: 1053, protocol: 'UDP' },
    { name: 'dns-tcp', port: 2053 },
  ];
  const slices = slice('s', 'a', { ports, endpoints: [{ addresses: ['10.0.0.1'] }] });
  t.strictSame(addresses(endpointsOf(53, dns, slices)), ['10.0.0.1:2053']);
});
