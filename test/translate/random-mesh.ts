// Random meshes for the properties of translation: resources of all kinds in a small world of names, so that they meet
// (same hosts, delegates, selectors, aliases), and series of edits of them. Every resource has a creation time of its
// own: without one its age is when it was first seen, which depends on history and is meant to.
import fc from 'fast-check';
import { parseResource } from '../../src/kinds/registry.js';
import { parseProxy } from '../../src/mesh/parse-proxy.js';
import type { Proxy } from '../../src/mesh/proxy.js';
import { TestCa } from '../xds/certificates.js';

/** Documents by file path, as JSON. */
export type Documents = ReadonlyMap<string, string>;

/** One edit: a document written, or removed. */
export interface Edit {
  path: string;
  text: string | undefined;
}

const namespaces = ['default', 'other', 'istio-system'] as const;
const serviceNames = ['a', 'b', 'c', 'd'] as const;
const external = ['one.example.com', 'two.example.com', 'db.internal', '*.example.com'] as const;
const hosts = [
  ...serviceNames,
  ...serviceNames
    .slice(0, 2)
    .flatMap((name) => [`${name}.default.svc.cluster.local`, `${name}.other.svc.cluster.local`]),
  ...external,
];
const exactHosts = hosts.filter((host) => !host.startsWith('*'));
const addresses = ['10.0.0.1', '10.0.0.2', '10.0.0.3', '10.0.0.4', 'fd00::5'] as const;
const protocols = ['http', 'grpc', 'tcp', 'https', 'mysql', ''] as const;

const rarely = <T>(arbitrary: fc.Arbitrary<T>, freq = 3) =>
  fc.option(arbitrary, { nil: undefined, freq });
const pick = <T>(...values: readonly T[]) => fc.constantFrom(...values);

const exportTo = fc.oneof(
  { weight: 4, arbitrary: fc.constant(undefined) },
  { weight: 3, arbitrary: pick(['.'], ['*'], ['default'], ['other'], ['~']) },
);
const labels = fc.record(
  { app: pick(...serviceNames), version: pick('v1', 'v2') },
  { requiredKeys: ['app'] },
);
const ports = fc
  .uniqueArray(pick(80, 90, 443, 3306, 15001), { minLength: 1, maxLength: 3 })
  .chain((numbers) =>
    fc.tuple(
      ...numbers.map((number) => pick(...protocols).map((protocol) => ({ number, protocol }))),
    ),
  );

const service = fc
  .record({
    selector: rarely(pick(...serviceNames), 6),
    ports,
    clusterIP: pick('240.0.0.1', '240.0.0.2', 'None', undefined),
    externalName: rarely(pick('a.default.svc.cluster.local', 'one.example.com'), 1),
    exportTo,
    distribution: rarely(pick('PreferClose', 'PreferSameNode'), 1),
  })
  .map((it) => ({
    annotations: it.exportTo && { 'networking.istio.io/exportTo': it.exportTo.join(',') },
    spec: {
      ...(it.externalName === undefined
        ? { clusterIP: it.clusterIP }
        : { type: 'ExternalName', externalName: it.externalName }),
      ...(it.selector && { selector: { app: it.selector } }),
      ...(it.distribution && { trafficDistribution: it.distribution }),
      ports: it.ports.map(({ number, protocol }) => ({
        name: protocol === '' ? `p${number}` : `${protocol}-${number}`,
        port: number,
      })),
    },
  }));

const slice = fc
  .record({
    of: pick(...serviceNames),
    port: pick(80, 90, 3306),
    protocol: pick(...protocols),
    ips: fc.uniqueArray(pick(...addresses.slice(0, 4)), { maxLength: 3 }),
    ready: fc.boolean(),
  })
  .map(({ of, port, protocol, ips, ready }) => ({
    labels: { 'kubernetes.io/service-name': of },
    body: {
      addressType: 'IPv4',
      ports: [{ name: protocol === '' ? `p${port}` : `${protocol}-${port}`, port: 8080 }],
      endpoints: ips.map((ip) => ({ addresses: [ip], conditions: { ready }, zone: 'zone-1' })),
    },
  }));

const workload = fc
  .record({
    address: pick(...addresses),
    labels,
    locality: rarely(pick('r1/z1', 'r1/z2/s1', 'r2/z1')),
    weight: rarely(pick(1, 5)),
  })
  .map((spec) => ({ spec }));

const serviceEntry = fc
  .record({
    host: pick(...external),
    more: rarely(pick(...external.slice(0, 3)), 1),
    addresses: rarely(pick(['240.0.0.1'], ['240.0.0.9'], ['240.1.0.0/16'])),
    ports,
    resolution: pick('STATIC', 'DNS', 'NONE'),
    location: pick('MESH_INTERNAL', 'MESH_EXTERNAL'),
    ips: fc.uniqueArray(pick(...addresses), { maxLength: 3 }),
    version: pick('v1', 'v2'),
    selects: rarely(pick(...serviceNames), 2),
    exportTo,
  })
  .map((it) => {
    const resolution = it.host.startsWith('*') && it.resolution === 'DNS' ? 'NONE' : it.resolution;
    const endpoints = it.ips.map((address) => ({ address, labels: { version: it.version } }));
    return {
      spec: {
        hosts: [...new Set([it.host, ...(it.more ? [it.more] : [])])],
        ...(it.addresses && { addresses: it.addresses }),
        ports: it.ports.map(({ number, protocol }) => ({
          number,
          name: `p${number}`,
          protocol: (protocol || 'tcp').toUpperCase(),
        })),
        resolution,
        location: it.location,
        ...(it.selects && resolution !== 'NONE'
          ? { workloadSelector: { labels: { app: it.selects } } }
          : resolution !== 'NONE' && endpoints.length > 0 && { endpoints }),
        ...(it.exportTo && { exportTo: it.exportTo }),
      },
    };
  });

const destination = fc.record(
  {
    host: pick(...exactHosts),
    subset: pick('v1', 'v2'),
    port: pick({ number: 80 }, { number: 90 }),
  },
  { requiredKeys: ['host'] },
);
const split = fc.tuple(destination, rarely(destination)).map(([first, second]) =>
  second === undefined
    ? [{ destination: first }]
    : [
        { destination: first, weight: 30 },
        { destination: second, weight: 70 },
      ],
);
const httpMatch = fc.record(
  {
    uri: pick({ prefix: '/v1' }, { exact: '/x' }),
    sourceNamespace: pick('default', 'other'),
    sourceLabels: pick({ app: 'a' }, { version: 'v2' }),
    port: pick(80, 90),
    gateways: pick(['mesh'], ['default/g0'], ['g1', 'mesh']),
  },
  { requiredKeys: [] },
);
const httpRoute = fc
  .record({
    match: rarely(fc.array(httpMatch, { minLength: 1, maxLength: 2 })),
    route: split,
    delegate: rarely(
      fc.record({ name: pick('vs0', 'vs1', 'vs2'), namespace: pick(...namespaces) }),
      1,
    ),
    timeout: rarely(pick('1s', '5s')),
    mirror: rarely(destination, 1),
  })
  .map(({ route, delegate, mirror, match, timeout }) => ({
    ...(match && { match }),
    ...(timeout && { timeout }),
    ...(delegate ? { delegate } : { route, ...(mirror && { mirror }) }),
  }));

const virtualService = fc
  .record({
    hosts: fc.oneof(
      { weight: 5, arbitrary: fc.uniqueArray(pick(...hosts), { minLength: 1, maxLength: 2 }) },
      { weight: 2, arbitrary: fc.constant([]) },
    ),
    http: fc.array(httpRoute, { minLength: 1, maxLength: 2 }),
    tcp: rarely(
      split.map((route) => [{ match: [{ port: 3306 }], route }]),
      1,
    ),
    tls: rarely(fc.record({ sni: pick('one.example.com', 'two.example.com'), route: split }), 1),
    gateways: rarely(pick(['g0'], ['mesh', 'default/g1'], ['g0', 'default/g0', 'other/g1'])),
    exportTo,
  })
  .map((it) => {
    // A delegate is reached by another rule, and delegates no further.
    const http = it.hosts.length > 0 ? it.http : it.http.filter((rule) => !('delegate' in rule));
    const plain = http.length > 0 ? http : [{ route: [{ destination: { host: 'a' } }] }];
    return {
      spec: {
        ...(it.hosts.length > 0 && { hosts: it.hosts }),
        ...(it.hosts.length > 0 && it.gateways && { gateways: it.gateways }),
        http: plain,
        ...(it.hosts.length > 0 && it.tcp && { tcp: it.tcp }),
        ...((it.hosts as readonly string[]).includes('one.example.com') &&
          it.tls && {
            tls: [{ match: [{ sniHosts: ['one.example.com'] }], route: it.tls.route }],
          }),
        ...(it.exportTo && { exportTo: it.exportTo }),
      },
    };
  });

const policy = pick<Record<string, unknown> | undefined>(
  undefined,
  { connectionPool: { tcp: { maxConnections: 5 } } },
  { loadBalancer: { simple: 'RANDOM' } },
  { loadBalancer: { consistentHash: { httpHeaderName: 'x-user' } } },
  { outlierDetection: { consecutive5xxErrors: 3 } },
  {
    outlierDetection: {},
    loadBalancer: { localityLbSetting: { failoverPriority: ['version'] } },
  },
  { tls: { mode: 'SIMPLE', sni: 'x.example.com' } },
  { portLevelSettings: [{ port: { number: 80 }, loadBalancer: { simple: 'ROUND_ROBIN' } }] },
);
const destinationRule = fc
  .record({
    host: pick(...hosts),
    trafficPolicy: policy,
    subsets: fc.uniqueArray(pick('v1', 'v2'), { maxLength: 2 }),
    subsetPolicy: policy,
    selector: rarely(pick(...serviceNames), 1),
    exportTo,
  })
  .map((it) => ({
    spec: {
      host: it.host,
      ...(it.trafficPolicy && { trafficPolicy: it.trafficPolicy }),
      subsets: it.subsets.map((name) => ({
        name,
        labels: { version: name },
        ...(it.subsetPolicy && { trafficPolicy: it.subsetPolicy }),
      })),
      ...(it.selector && { workloadSelector: { matchLabels: { app: it.selector } } }),
      ...(it.exportTo && { exportTo: it.exportTo }),
    },
  }));

const egressHosts = fc.uniqueArray(
  pick(
    './*',
    '*/*',
    'other/*',
    'default/a.default.svc.cluster.local',
    '*/one.example.com',
    './*.example.com',
    '~/*',
  ),
  { minLength: 1, maxLength: 3 },
);
const sidecar = fc
  .record({
    selector: rarely(pick(...serviceNames), 2),
    egress: egressHosts,
    atPort: rarely(fc.record({ port: pick(80, 3306), hosts: egressHosts }), 1),
    ingress: rarely(pick(80, 8080), 1),
    mode: rarely(pick('REGISTRY_ONLY', 'ALLOW_ANY'), 2),
  })
  .map((it) => ({
    spec: {
      ...(it.selector && { workloadSelector: { labels: { app: it.selector } } }),
      egress: [
        ...(it.atPort
          ? [
              {
                port: { number: it.atPort.port, protocol: 'HTTP', name: 'http' },
                hosts: it.atPort.hosts,
              },
            ]
          : []),
        { hosts: it.egress },
      ],
      ...(it.ingress && {
        ingress: [
          {
            port: { number: it.ingress, protocol: 'HTTP', name: 'http' },
            defaultEndpoint: '127.0.0.1:8000',
          },
        ],
      }),
      ...(it.mode && { outboundTrafficPolicy: { mode: it.mode } }),
    },
  }));

const gatewayHosts = fc.uniqueArray(
  pick(
    '*',
    'one.example.com',
    '*.example.com',
    './two.example.com',
    'other/*',
    'a.default.svc.cluster.local',
  ),
  { minLength: 1, maxLength: 2 },
);
const terminated = fc.record(
  {
    mode: pick('SIMPLE', 'MUTUAL', 'OPTIONAL_MUTUAL'),
    credentialName: pick('s0', 's1', 's2'),
    minProtocolVersion: pick('TLSV1_2', 'TLSV1_3'),
    subjectAltNames: pick(['client.test']),
  },
  { requiredKeys: ['mode', 'credentialName'] },
);
const passedOn = pick({ mode: 'PASSTHROUGH' }, { mode: 'AUTO_PASSTHROUGH' });
const gatewayServer = fc.oneof(
  fc.record({
    protocol: pick('HTTP', 'HTTP2', 'GRPC-WEB'),
    hosts: gatewayHosts,
    tls: rarely(fc.constant({ httpsRedirect: true }), 1),
  }),
  fc.record({ protocol: pick('HTTPS', 'TLS'), hosts: gatewayHosts, tls: terminated }),
  fc.record({ protocol: pick('TLS'), hosts: gatewayHosts, tls: passedOn }),
  fc.record({ protocol: pick('TCP', 'MONGO'), hosts: gatewayHosts }),
);
const gateway = fc
  .record({
    istio: rarely(pick('ingressgateway', 'other'), 4),
    servers: fc.array(
      fc.tuple(pick(80, 80, 443, 443, 3306, 15021), gatewayServer, rarely(pick('10.0.0.20'), 1)),
      { minLength: 1, maxLength: 3 },
    ),
    annotation: rarely(pick('http3', 'compression'), 1),
  })
  .map(({ istio, servers, annotation }) => ({
    annotations:
      annotation === undefined
        ? undefined
        : {
            [`fairlead.io/${annotation}`]: annotation === 'http3' ? 'true' : 'gzip',
          },
    spec: {
      ...(istio && { selector: { istio } }),
      servers: servers.map(([number, { protocol, hosts, ...more }, bind], i) => ({
        port: { number, protocol, name: `p${i}` },
        hosts,
        ...('tls' in more && more.tls && { tls: more.tls }),
        ...(bind && { bind }),
      })),
    },
  }));

const ca = new TestCa();
const pairs = [ca.issue({ names: ['one.example.com'] }), ca.issue(), ca.issue()];
const secret = fc
  .record({ pair: rarely(pick(...pairs), 6), withCa: fc.boolean() })
  .map(({ pair, withCa }) => ({
    body: {
      stringData: {
        ...(pair && { 'tls.crt': pair.cert, 'tls.key': pair.key }),
        ...(withCa && { 'ca.crt': ca.cert }),
      },
    },
  }));

const meshConfig = fc
  .record(
    {
      connectTimeout: pick('1s', '5s'),
      outboundTrafficPolicy: pick({ mode: 'REGISTRY_ONLY' }),
      defaultServiceExportTo: pick(['.'], ['*']),
      localityLbSetting: pick({ failover: [{ from: 'r1', to: 'r2' }] }),
    },
    { requiredKeys: [] },
  )
  .map((spec) => ({ spec }));

interface Made {
  spec?: unknown;
  body?: object;
  labels?: Record<string, string> | undefined;
  annotations?: Record<string, string> | undefined;
}

const networking = 'networking.istio.io/v1';

/** How many there may be of each kind, and what is in one. */
const kinds: readonly [string, string, readonly string[], fc.Arbitrary<Made>][] = [
  ['Service', 'v1', serviceNames, service],
  ['EndpointSlice', 'discovery.k8s.io/v1', ['es0', 'es1'], slice],
  ['WorkloadEntry', networking, ['w0', 'w1', 'w2', 'w3'], workload],
  ['ServiceEntry', networking, ['se0', 'se1', 'se2'], serviceEntry],
  ['VirtualService', networking, ['vs0', 'vs1', 'vs2'], virtualService],
  ['DestinationRule', networking, ['dr0', 'dr1', 'dr2'], destinationRule],
  ['Sidecar', networking, ['sc0', 'sc1'], sidecar],
  ['Gateway', networking, ['g0', 'g1', 'g2'], gateway],
  ['Secret', 'v1', ['s0', 's1', 's1-cacert'], secret],
];

/** What is refused leaves the last good version in force, which depends on history and is meant to. */
function isAccepted({ text }: Edit): boolean {
  return parseResource(JSON.parse(text ?? '{}'), {}).resource !== undefined;
}

const anyDocument: fc.Arbitrary<Edit> = fc.oneof(
  ...kinds.map(([kind, apiVersion, names, made], k) => ({
    weight: names.length,
    arbitrary: fc
      .record({
        namespace: pick('default', 'default', 'other', 'istio-system'),
        name: pick(...names),
        made,
      })
      .map(({ namespace, name, made: { spec, body, labels: own, annotations } }) => {
        const age = (k * 7 + names.indexOf(name)) * 5 + namespaces.indexOf(namespace as 'default');
        return {
          path: `${kind}.${namespace}.${name}.yaml`,
          text: JSON.stringify({
            apiVersion,
            kind,
            metadata: {
              name,
              namespace,
              // Neither the order of names nor that of kinds.
              creationTimestamp: new Date(
                1_700_000_000_000 + ((age * 37) % 1009) * 1000,
              ).toISOString(),
              ...(own && { labels: own }),
              ...(annotations && { annotations }),
            },
            ...(spec !== undefined && { spec }),
            ...body,
          }),
        };
      }),
  })),
);

const document = anyDocument.filter(isAccepted);

const configDocument: fc.Arbitrary<Edit> = meshConfig.map(({ spec }) => ({
  path: 'mesh.yaml',
  text: JSON.stringify({
    apiVersion: networking,
    kind: 'MeshConfig',
    metadata: { name: 'mesh', namespace: 'istio-system' },
    spec,
  }),
}));

/** A mesh of up to `max` resources; there is always a MeshConfig. */
export function meshes(max: number): fc.Arbitrary<Documents> {
  return fc
    .tuple(configDocument, fc.array(document, { minLength: 4, maxLength: max }))
    .map(
      ([config, others]) =>
        new Map([...others, config].map(({ path, text }) => [path, text ?? ''])),
    );
}

/** Edits to be made one after the other; some write what is there already. */
export function edits(max: number): fc.Arbitrary<readonly Edit[]> {
  return fc.array(
    fc.oneof(
      { weight: 6, arbitrary: document },
      { weight: 3, arbitrary: document.map(({ path }) => ({ path, text: undefined })) },
      { weight: 1, arbitrary: configDocument },
    ),
    { minLength: 1, maxLength: max },
  );
}

/** Proxies that see different parts of such a mesh. */
export function proxies(): Proxy[] {
  const proxy = (name: string, namespace: string, metadata: object) =>
    parseProxy({
      id: `sidecar~10.0.0.1~${name}.${namespace}~${namespace}.svc.cluster.local`,
      cluster: name,
      locality: { region: 'r1', zone: 'z1', sub_zone: '' },
      metadata: { NAMESPACE: namespace, ...metadata },
    });
  const router = (namespace: string, metadata: object) =>
    parseProxy({
      id: `router~10.0.0.1~gateway.${namespace}~${namespace}.svc.cluster.local`,
      cluster: 'gateway',
      metadata: { NAMESPACE: namespace, ...metadata },
    });
  return [
    proxy('a', 'default', { LABELS: { app: 'a', version: 'v1' }, INSTANCE_IPS: '10.0.0.1' }),
    proxy('b', 'default', {
      LABELS: { app: 'b' },
      INSTANCE_IPS: '10.0.0.2',
      INTERCEPTION_MODE: 'NONE',
    }),
    proxy('c', 'other', { LABELS: { app: 'c', version: 'v2' }, INSTANCE_IPS: '10.0.0.3,fd00::5' }),
    proxy('d', 'elsewhere', { LABELS: {}, INSTANCE_IPS: '10.0.0.9' }),
    proxy('g', 'default', { GENERATOR: 'grpc' }),
    router('default', { LABELS: { istio: 'ingressgateway', app: 'd' }, INSTANCE_IPS: '10.0.0.20' }),
    router('other', {
      LABELS: {},
      INSTANCE_IPS: '10.0.0.21',
      PROXY_CONFIG: { gatewayTopology: { numTrustedProxies: 1 } },
    }),
  ];
}
