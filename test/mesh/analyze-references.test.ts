// Findings about references between resources: gateways, namespaces, selectors, Sidecars, ports. Those of routes and
// subsets are in analyze.test.ts.
import t from 'tap';
import { istioCode } from '../../src/kinds/istio-codes.js';
import { formatPath } from '../../src/kinds/problem.js';
import type { Resource } from '../../src/kinds/resource.js';
import { analyzeMesh } from '../../src/mesh/analyze.js';
import { buildMesh } from '../../src/mesh/build-mesh.js';
import { input, make, routeTo, rule, service, workload } from './resources.js';

/** `severity code ISTIO Kind/name path`, sorted; what is said of ports without a protocol and the like is left out. */
function findings(...resources: readonly Resource[]): string[] {
  return analyzeMesh(buildMesh(input(...resources)))
    .filter(({ code }) => code !== 'no-endpoints' && code !== 'undeclared-protocol')
    .map((problem) => {
      const { severity, code, resource, path } = problem;
      const who = resource && `${resource.kind}/${resource.name}`;
      return `${severity} ${code} ${istioCode(problem) ?? '-'} ${who} ${formatPath(path ?? [])}`;
    })
    .sort();
}

const a = service('a');
const one = workload('w', { address: '10.0.0.1', labels: { app: 'a', version: 'v1' } });

t.test('gateways', async (t) => {
  const port = { number: 80, name: 'http', protocol: 'HTTP' };
  const servers = (...hosts: string[]) => ({ servers: [{ port, hosts }] });
  const bound = (...gateways: string[]) => routeTo('v', 'a.com', {}, { gateways });
  const entry = make('ServiceEntry', 'e', {
    hosts: ['a.com'],
    ports: [{ number: 80, name: 'http', protocol: 'HTTP' }],
  });
  const gateway = (hosts: string[], namespace = 'default') =>
    make('Gateway', 'gw', servers(...hosts), { namespace });
  t.strictSame(findings(entry, bound('gw')), [
    'error unknown-gateway IST0101 VirtualService/v spec.gateways[0]',
  ]);
  for (const [hosts, fits] of [
    [['*'], true],
    [['*.com'], true],
    [['a.com'], true],
    [['./a.com'], true],
    [['default/*'], true],
    [['*/a.com'], true],
    [['other/*'], false],
    [['b.com'], false],
    [[], false],
  ] as const) {
    t.strictSame(
      findings(entry, gateway([...hosts]), bound('mesh', 'gw')),
      fits ? [] : ['warning host-not-in-gateway IST0132 VirtualService/v spec.gateways[1]'],
      hosts.join(),
    );
  }
  t.strictSame(findings(entry, gateway(['*'], 'infra'), bound('infra/gw')), []);
  t.strictSame(findings(entry, gateway(['*'], 'infra'), bound('gw')).length, 1);
  const kubernetes = make('Gateway.gateway.networking.k8s.io', 'gw', { listeners: [{}] });
  t.strictSame(findings(entry, kubernetes, bound('gw')), [], 'a listener for any host');
  const http = [
    { match: [{ gateways: ['gw', 'mesh'] }], route: [{ destination: { host: 'a.com' } }] },
  ];
  t.strictSame(findings(entry, routeTo('v', 'a.com', {}, { http })), [
    'error unknown-gateway IST0101 VirtualService/v spec.http[0].match[0].gateways[0]',
  ]);
});

t.test('subsets that only sidecars are told', async (t) => {
  const port = { number: 80, name: 'http', protocol: 'HTTP' };
  const gateway = make('Gateway', 'gw', { servers: [{ port, hosts: ['*'] }] });
  const to = (...destinations: object[]) => ({
    http: [{ route: destinations.map((destination) => ({ destination })) }],
  });
  const split = rule('r', 'a', { subsets: [{ name: 'v1', labels: { version: 'v1' } }] });
  const inside = (more: object = {}) =>
    make('VirtualService', 'inside', {
      hosts: ['a'],
      ...to({ host: 'a', subset: 'v1' }),
      ...more,
    });
  const outside = (destination: object, gateways = ['gw']) =>
    make('VirtualService', 'outside', { hosts: ['x.com'], gateways, ...to(destination) });
  const expected = [
    'info subset-not-for-gateway IST0140 VirtualService/outside spec.http[0].route[0].destination.host',
  ];
  const found = (...more: Resource[]) => findings(a, one, gateway, split, ...more);
  t.strictSame(found(inside(), outside({ host: 'a' })), expected);
  t.strictSame(
    found(inside(), outside({ host: 'a' }, ['gw', 'mesh'])).includes(expected[0]!),
    true,
  );
  t.strictSame(found(inside(), outside({ host: 'a', subset: 'v1' })), []);
  t.strictSame(found(inside(to({ host: 'a' })), outside({ host: 'a' })), []);
  t.strictSame(found(inside({ hosts: ['a.com'], gateways: ['gw'] }), outside({ host: 'a' })), []);
});

t.test('servers of Gateways', async (t) => {
  const port = { number: 443, name: 'https', protocol: 'HTTPS' };
  const gateway = (tls: object, selector: object = { istio: 'ingress' }) =>
    make('Gateway', 'gw', { selector, servers: [{ port, hosts: ['*'], tls }] });
  const secret = make('Secret', 'there', {}, { namespace: 'anywhere' });
  const simple = (more: object) => gateway({ mode: 'SIMPLE', ...more });
  const lost = (field: string) => [
    `error invalid-credential IST0101 Gateway/gw spec.servers[0].tls.${field}`,
  ];
  t.strictSame(findings(secret, simple({ credentialName: 'there' })), []);
  t.strictSame(findings(secret, simple({ credentialName: 'gone' })), lost('credentialName'));
  t.strictSame(
    findings(secret, simple({ credentialNames: ['there', 'gone'] })),
    lost('credentialNames'),
  );
  t.strictSame(
    findings(secret, simple({ credentialName: 'there', caCertCredentialName: 'gone' })),
    lost('caCertCredentialName'),
  );
  t.strictSame(findings(gateway({ mode: 'PASSTHROUGH', credentialName: 'gone' })), []);

  const files = gateway({ mode: 'SIMPLE', serverCertificate: '/c', privateKey: '/k' });
  const ingress = (ports: number[], selector: object = { istio: 'ingress' }) =>
    make('Service', 'ingress', {
      selector,
      ports: ports.map((number) => ({ name: `http-${number}`, port: number })),
    });
  t.strictSame(findings(files, ingress([443])), []);
  t.strictSame(findings(files, ingress([80])), [
    'warning gateway-port-not-in-service IST0162 Gateway/gw spec.servers[0].port.number',
  ]);
  t.strictSame(findings(files, ingress([80], { app: 'else' })), [], 'of other workloads');
  const more = { istio: 'ingress', app: 'gw' };
  t.strictSame(findings(files, ingress([80], more)), [], 'of some of the workloads');
  const router = workload('router', { address: '10.0.0.9', labels: more });
  t.strictSame(findings(files, ingress([80], more), router).length, 1, 'a workload shows which');
  const ports = [{ name: 'https', port: 8443, targetPort: 443 }];
  const other = make('Service', 'other', { selector: { istio: 'ingress' }, ports });
  t.strictSame(findings(files, other), [], 'by its targetPort');

  const named = simple({ credentialName: 'there' });
  t.strictSame(findings(secret, named, ingress([443])), lost('credentialName'), 'wrong namespace');
  const router2 = workload('r', { address: '10.0.0.9', labels: more }, { namespace: 'anywhere' });
  t.strictSame(findings(secret, named, router2), []);
});

t.test('certificates that servers share', async (t) => {
  const server = (host: string, credentialName: string, number = 443) => ({
    port: { number, name: `https-${host}`, protocol: 'HTTPS' },
    hosts: [`${host}.com`],
    tls: { mode: 'SIMPLE', credentialName },
  });
  const gateway = (name: string, selector: object, ...servers: object[]) =>
    make('Gateway', name, { selector, servers });
  const secrets = ['c', 'd'].map((name) => make('Secret', name, {}));
  const shared = (name: string, i = 0) => [
    `warning shared-certificate IST0138 Gateway/${name} spec.servers[${i}].tls`,
  ];
  const first = gateway('a', { app: 'gw' }, server('a', 'c'));
  const both = { app: 'gw', more: 'x' };
  const found = (...gateways: Resource[]) => findings(...secrets, ...gateways);
  t.strictSame(found(first, gateway('b', { app: 'gw' }, server('b', 'c'))), shared('b'));
  t.strictSame(found(first, gateway('b', both, server('b', 'c'))), shared('b'));
  t.strictSame(found(gateway('b', both, server('b', 'c')), first), shared('b'));
  t.strictSame(found(first, gateway('b', { app: 'gw' }, server('b', 'd'))), []);
  t.strictSame(found(first, gateway('b', { app: 'gw' }, server('b', 'c', 8443))), []);
  t.strictSame(found(first, gateway('b', { app: 'other' }, server('b', 'c'))), []);
  t.strictSame(found(gateway('a', {}, server('a', 'c'), server('b', 'c'))), shared('a', 1));
});

t.test('Sidecars', async (t) => {
  const sidecar = (name: string, labels?: object, more: object = {}) =>
    make('Sidecar', name, {
      ...(labels && { workloadSelector: { labels } }),
      egress: [{ hosts: ['./*'] }],
      ...more,
    });
  t.strictSame(findings(a, one, sidecar('x'), sidecar('y')), [
    'warning duplicate-sidecar IST0111 Sidecar/y ',
  ]);
  t.strictSame(findings(a, one, sidecar('x'), sidecar('y', { app: 'a' })), []);
  t.strictSame(findings(a, one, sidecar('x', { version: 'v1' }), sidecar('y', { app: 'a' })), [
    'warning sidecar-conflict IST0110 Sidecar/y spec.workloadSelector.labels',
  ]);
  t.strictSame(findings(a, one, sidecar('x', { app: 'b' })), [
    'info unmatched-selector IST0101 Sidecar/x spec.workloadSelector.labels',
  ]);
  const hosts = [
    './*.com',
    '*/a',
    './a.default.svc.cluster.local',
    'far/a.default.svc.cluster.local',
  ];
  t.strictSame(findings(a, one, sidecar('x', undefined, { egress: [{ hosts }] })), [
    'info unknown-host - Sidecar/x spec.egress[0].hosts[1]',
    'info unknown-host - Sidecar/x spec.egress[0].hosts[3]',
  ]);
  const egressProxy = { host: 'b', port: { number: 80 } };
  const outboundTrafficPolicy = { mode: 'ALLOW_ANY', egressProxy };
  t.strictSame(findings(a, one, sidecar('x', undefined, { outboundTrafficPolicy })), [
    'error unknown-host - Sidecar/x spec.outboundTrafficPolicy.egressProxy.host',
  ]);
});

t.test('exportTo', async (t) => {
  const rules = (...exportTo: string[]) => routeTo('v', 'a', {}, { exportTo });
  t.strictSame(findings(a, one, rules('.', 'default')), []);
  t.strictSame(findings(a, one, rules('.', 'nowhere')), [
    'info unknown-namespace - VirtualService/v spec.exportTo[1]',
  ]);
});

t.test('TLS of DestinationRules', async (t) => {
  const tls = (settings: object) => rule('r', 'a', { trafficPolicy: { tls: settings } });
  const at = 'DestinationRule/r spec.trafficPolicy.tls';
  const table: [settings: object, expected: string[]][] = [
    [{ mode: 'DISABLE' }, []],
    [{ mode: 'SIMPLE', caCertificates: '/ca.pem' }, []],
    [{ mode: 'SIMPLE' }, [`info default-cas IST0128 ${at}.mode`]],
    [
      { mode: 'SIMPLE', insecureSkipVerify: true },
      [`warning unverified-server IST0128 ${at}.insecureSkipVerify`],
    ],
    [
      { mode: 'SIMPLE', caCertificates: '/ca.pem', sni: 'x' },
      [`warning unverified-server - ${at}.sni`],
    ],
    [{ mode: 'SIMPLE', sni: 'x' }, [`warning unverified-server IST0128 ${at}.sni`]],
    [{ mode: 'SIMPLE', caCertificates: '/ca.pem', sni: 'x', subjectAltNames: ['x'] }, []],
    [
      { mode: 'SIMPLE', credentialName: 'c' },
      [`warning ineffective-setting IST0128 ${at}.credentialName`],
    ],
  ];
  for (const [settings, expected] of table) {
    t.strictSame(findings(a, one, tls(settings)), expected, JSON.stringify(settings));
  }
  const trafficPolicy = { tls: { mode: 'SIMPLE', credentialName: 'c' } };
  const workloadSelector = { matchLabels: { app: 'a' } };
  t.strictSame(findings(a, one, rule('r', 'a', { workloadSelector, trafficPolicy })), []);
  const portLevelSettings = [
    { port: { number: 8080 }, tls: { mode: 'SIMPLE' } },
    { port: { number: 1 }, tls: { mode: 'DISABLE' } },
  ];
  const ports = 'DestinationRule/r spec.trafficPolicy.portLevelSettings';
  t.strictSame(findings(a, one, rule('r', 'a', { trafficPolicy: { portLevelSettings } })), [
    `info default-cas IST0129 ${ports}[0].tls.mode`,
    `warning unknown-port - ${ports}[1].port.number`,
  ]);
});

t.test('settings that wait for others', async (t) => {
  const localityLbSetting = { failover: [{ from: 'a', to: 'b' }] };
  const loadBalancer = { localityLbSetting };
  const at = 'loadBalancer.localityLbSetting.failover';
  t.strictSame(findings(a, one, rule('r', 'a', { trafficPolicy: { loadBalancer } })), [
    `warning ineffective-setting IST0133 DestinationRule/r spec.trafficPolicy.${at}`,
  ]);
  const outlierDetection = { consecutive5xxErrors: 1 };
  t.strictSame(
    findings(a, one, rule('r', 'a', { trafficPolicy: { loadBalancer, outlierDetection } })),
    [],
  );
  const subset = (trafficPolicy: object) => [
    { name: 'v1', labels: { version: 'v1' }, trafficPolicy },
  ];
  const inherits = { trafficPolicy: { outlierDetection }, subsets: subset({ loadBalancer }) };
  t.strictSame(findings(a, one, rule('r', 'a', inherits)), [], 'the host has it');
  const lacks = { subsets: subset({ loadBalancer }) };
  t.strictSame(findings(a, one, rule('r', 'a', lacks)), [
    `warning ineffective-setting IST0133 DestinationRule/r spec.subsets[0].trafficPolicy.${at}`,
  ]);
  const meshConfig = make('MeshConfig', 'istio', { defaultTrafficPolicy: { outlierDetection } });
  t.strictSame(findings(a, one, meshConfig, rule('r', 'a', lacks)), [], 'the mesh has it');
});

t.test('selectors of rules', async (t) => {
  const selecting = (app: string) => rule('r', 'a', { workloadSelector: { matchLabels: { app } } });
  t.strictSame(findings(a, one, selecting('a')), []);
  t.strictSame(findings(a, one, selecting('b')), [
    'info unmatched-selector IST0127 DestinationRule/r spec.workloadSelector.matchLabels',
  ]);
});

t.test('ports of ServiceEntries', async (t) => {
  const entry = (name: string, protocol: string, more: object = {}) =>
    make('ServiceEntry', name, {
      hosts: ['x.com'],
      ports: [{ number: 80, name: 'p', protocol }],
      resolution: 'DNS',
      ...more,
    });
  t.strictSame(findings(entry('e', 'HTTP')), []);
  t.strictSame(findings(entry('e', 'TLS')), []);
  t.strictSame(findings(entry('e', 'TCP', { addresses: ['10.1.1.1'] })), []);
  const required = ['warning addresses-required IST0134 ServiceEntry/e spec.ports[0]'];
  t.strictSame(findings(entry('e', 'TCP')), required);
  const proxyMetadata = { ISTIO_META_DNS_CAPTURE: 'true' };
  const capture = make('MeshConfig', 'istio', { defaultConfig: { proxyMetadata } });
  t.strictSame(findings(capture, entry('e', 'TCP')), [], 'the mesh gives it one');
  t.strictSame(findings(entry('e', 'HTTP'), entry('f', 'HTTPS')), [
    'warning service-entry-conflict IST0177 ServiceEntry/f spec.ports[0]',
  ]);
  t.strictSame(
    findings(
      entry('e', 'HTTP', { exportTo: ['.'] }),
      make(
        'ServiceEntry',
        'f',
        {
          ...(entry('f', 'HTTPS').spec as object),
          exportTo: ['.'],
        },
        { namespace: 'other' },
      ),
    ),
    [],
    'nobody sees both',
  );
});

t.test("a workload's port behind two services", async (t) => {
  const other = (port: object) => service('b', { selector: { app: 'a' }, ports: [port] });
  const same = { name: 'http', port: 8080, targetPort: 9090 };
  t.strictSame(findings(a, one, other(same)), []);
  t.strictSame(findings(a, one, other({ ...same, port: 81 })), [
    'info workload-conflict IST0137 Service/b spec.ports[0]',
  ]);
  t.strictSame(findings(a, one, other({ ...same, name: 'tcp' })), [
    'warning protocol-conflict IST0116 Service/b spec.ports[0]',
  ]);
  t.strictSame(findings(a, one, other({ ...same, name: 'tcp', targetPort: 9091 })), []);
});
