// DestinationRule: each rule by a document that breaks it, after Istio's validation.
import t from 'tap';
import type { DestinationRuleSpec } from '../../src/kinds/destination-rule.js';
import { documentOf, problemLines, specOf } from './check-document.js';

const dr = (spec: object) => documentOf('DestinationRule', { host: 'reviews', ...spec });
const policy = (trafficPolicy: object) => dr({ trafficPolicy });
const lb = (loadBalancer: object) => policy({ loadBalancer });
const hash = (consistentHash: object) => lb({ consistentHash });
const tls = (settings: object) => policy({ tls: settings });

t.test('durations become milliseconds', async (t) => {
  const spec = specOf<DestinationRuleSpec>(
    policy({ connectionPool: { tcp: { connectTimeout: '30ms', tcpKeepalive: { time: '2h' } } } }),
  );
  t.strictSame(spec.trafficPolicy?.connectionPool?.tcp, {
    connectTimeout: 30,
    tcpKeepalive: { time: 7_200_000 },
  });
});

const base = 'spec.trafficPolicy';
const cases: [string, unknown, string[]][] = [
  ['no host', documentOf('DestinationRule', {}), ['error missing-field spec.host']],
  ['wrong host', dr({ host: 'a..b' }), ['error invalid-value spec.host']],
  ['wildcard host', dr({ host: '*.example.com' }), []],
  ['policy for no port', policy({ portLevelSettings: [] }), [`error missing-field ${base}`]],
  [
    'settings of port 0',
    policy({ portLevelSettings: [{ port: { number: 0 }, loadBalancer: { simple: 'RANDOM' } }] }),
    [`warning invalid-value ${base}.portLevelSettings[0].port`],
  ],
  [
    'a Secret beside insecureSkipVerify',
    tls({ mode: 'SIMPLE', credentialName: 'a', insecureSkipVerify: true }),
    [`error invalid-value ${base}.tls.credentialName`],
  ],
  [
    'a selector without labels',
    dr({ workloadSelector: {} }),
    ['warning invalid-value spec.workloadSelector'],
  ],
  [
    'status codes that are none',
    policy({ outlierDetection: { outlierDetectionHttpErrorCodes: [99] } }),
    [`error invalid-value ${base}.outlierDetection.outlierDetectionHttpErrorCodes[0]`],
  ],
  ['empty policy', policy({}), [`error missing-field ${base}`]],
  [
    'two subsets of a name',
    dr({ subsets: [{ name: 'a' }, { name: 'a' }] }),
    ['error invalid-value spec.subsets[1].name'],
  ],
  [
    'name of a subset',
    dr({ subsets: [{ name: 'a_b' }, {}] }),
    ['error missing-field spec.subsets[1].name'],
  ],
  [
    'form of the name of a subset',
    dr({ subsets: [{ name: 'a_b' }] }),
    ['error invalid-value spec.subsets[0].name'],
  ],
  [
    'labels of a subset',
    dr({ subsets: [{ name: 'a', labels: { v: 1 } }] }),
    ['error wrong-type spec.subsets[0].labels.v'],
  ],
  [
    'simple and hash',
    lb({ simple: 'RANDOM', consistentHash: { useSourceIp: true } }),
    [`error invalid-value ${base}.loadBalancer.consistentHash`],
  ],
  [
    'unknown algorithm',
    lb({ simple: 'ROUNDROBIN' }),
    [`error invalid-value ${base}.loadBalancer.simple`],
  ],
  [
    'two hash keys',
    hash({ useSourceIp: true, httpHeaderName: 'a' }),
    [`error invalid-value ${base}.loadBalancer.consistentHash.useSourceIp`],
  ],
  // Istio takes it; Envoy then hashes nothing and picks at random.
  ['no hash key', hash({}), [`warning invalid-value ${base}.loadBalancer.consistentHash`]],
  [
    'ringHash and maglev',
    hash({ useSourceIp: true, ringHash: {}, maglev: { tableSize: 7 } }),
    [`error invalid-value ${base}.loadBalancer.consistentHash.maglev`],
  ],
  [
    'maglev table not prime',
    hash({ useSourceIp: true, maglev: { tableSize: 65536 } }),
    [`error invalid-value ${base}.loadBalancer.consistentHash.maglev.tableSize`],
  ],
  [
    'maglev table too large',
    hash({ useSourceIp: true, maglev: { tableSize: 5000077 } }),
    [`error invalid-value ${base}.loadBalancer.consistentHash.maglev.tableSize`],
  ],
  [
    'maglev table absent',
    hash({ useSourceIp: true, maglev: {} }),
    [`error missing-field ${base}.loadBalancer.consistentHash.maglev.tableSize`],
  ],
  [
    'ring too large',
    hash({ useSourceIp: true, ringHash: { minimumRingSize: 8_388_609 } }),
    [`error invalid-value ${base}.loadBalancer.consistentHash.ringHash.minimumRingSize`],
  ],
  ['largest ring', hash({ useSourceIp: true, ringHash: { minimumRingSize: 8_388_608 } }), []],
  [
    'hash of what is no header',
    hash({ httpHeaderName: 'a\nb' }),
    [`error invalid-value ${base}.loadBalancer.consistentHash.httpHeaderName`],
  ],
  [
    'old ring size and ringHash',
    hash({ useSourceIp: true, minimumRingSize: 5, ringHash: {} }),
    [
      `warning deprecated ${base}.loadBalancer.consistentHash.minimumRingSize`,
      `error invalid-value ${base}.loadBalancer.consistentHash.minimumRingSize`,
    ],
  ],
  [
    'cookie without name',
    hash({ httpCookie: { ttl: '0s' } }),
    [`error missing-field ${base}.loadBalancer.consistentHash.httpCookie.name`],
  ],
  [
    'cookie attribute twice',
    hash({ httpCookie: { name: 'a', attributes: [{ name: 'b' }, { name: 'b' }] } }),
    [`error invalid-value ${base}.loadBalancer.consistentHash.httpCookie.attributes[1].name`],
  ],
  [
    'warmup',
    lb({ warmup: { duration: '0s', minimumPercent: 101, aggression: 0 } }),
    [
      `error invalid-value ${base}.loadBalancer.warmup.duration`,
      `error invalid-value ${base}.loadBalancer.warmup.minimumPercent`,
      `error invalid-value ${base}.loadBalancer.warmup.aggression`,
    ],
  ],
  [
    'warmup without duration',
    lb({ warmup: {} }),
    [`error missing-field ${base}.loadBalancer.warmup.duration`],
  ],
  [
    'locality',
    lb({
      localityLbSetting: { distribute: [{ from: 'a/*', to: { a: 90 } }] },
      zoneAwareLbSetting: {},
    }),
    [
      `error invalid-value ${base}.loadBalancer.zoneAwareLbSetting`,
      `error invalid-value ${base}.loadBalancer.localityLbSetting.distribute[0].to`,
    ],
  ],
  [
    'localities that overlap',
    lb({
      localityLbSetting: {
        distribute: [
          { from: 'a/z1', to: { 'a/*': 40, 'a/z2': 60 } },
          { from: 'a/z1/s', to: { '*': 100 } },
          { from: 'b/*', to: { a: 50, b: 50 } },
          { from: 'b*/z', to: { a: 100 } },
          { from: 'c//s', to: { a: 100 } },
        ],
      },
    }),
    [
      `error invalid-value ${base}.loadBalancer.localityLbSetting.distribute[1].from`,
      `error invalid-value ${base}.loadBalancer.localityLbSetting.distribute[3].from`,
      `error invalid-value ${base}.loadBalancer.localityLbSetting.distribute[4].from`,
      `error invalid-value ${base}.loadBalancer.localityLbSetting.distribute[0].to["a/z2"]`,
    ],
  ],
  [
    'failover',
    lb({
      localityLbSetting: {
        failover: [
          { from: 'a', to: 'a' },
          { from: 'a/b', to: 'c' },
        ],
        failoverPriority: ['app', 'topology.kubernetes.io/zone'],
      },
    }),
    [
      `error invalid-value ${base}.loadBalancer.localityLbSetting.failover[0]`,
      `error invalid-value ${base}.loadBalancer.localityLbSetting.failover[1]`,
      `error invalid-value ${base}.loadBalancer.localityLbSetting.failoverPriority[1]`,
    ],
  ],
  ['empty pool', policy({ connectionPool: {} }), [`error missing-field ${base}.connectionPool`]],
  [
    'pool',
    policy({
      connectionPool: {
        tcp: { connectTimeout: '0s', idleTimeout: '0s' },
        http: {
          idleTimeout: '0s',
          h2UpgradePolicy: 'UPGRADE',
          useClientProtocol: true,
          http2KeepAlive: { interval: '1s' },
        },
      },
    }),
    [
      `error invalid-value ${base}.connectionPool.tcp.connectTimeout`,
      `error invalid-value ${base}.connectionPool.http.idleTimeout`,
      `error invalid-value ${base}.connectionPool.http.useClientProtocol`,
      `error missing-field ${base}.connectionPool.http.http2KeepAlive.timeout`,
    ],
  ],
  [
    'negative limit',
    policy({ connectionPool: { tcp: { maxConnections: -1 } } }),
    [`error invalid-value ${base}.connectionPool.tcp.maxConnections`],
  ],
  [
    'outlier detection',
    policy({ outlierDetection: { interval: '0s', consecutiveLocalOriginFailures: 2 } }),
    [
      `error invalid-value ${base}.outlierDetection.interval`,
      `error invalid-value ${base}.outlierDetection.consecutiveLocalOriginFailures`,
    ],
  ],
  [
    'percent of ejected',
    policy({ outlierDetection: { maxEjectionPercent: 101 } }),
    [`error invalid-value ${base}.outlierDetection.maxEjectionPercent`],
  ],
  [
    'settings without port',
    policy({ portLevelSettings: [{ outlierDetection: {} }] }),
    [`error missing-field ${base}.portLevelSettings[0].port`],
  ],
  [
    'settings of a port',
    policy({ portLevelSettings: [{ port: { number: 80 } }] }),
    [`error missing-field ${base}.portLevelSettings[0]`],
  ],
  [
    'MUTUAL',
    tls({ mode: 'MUTUAL' }),
    [
      `error missing-field ${base}.tls.clientCertificate`,
      `error missing-field ${base}.tls.privateKey`,
    ],
  ],
  // Istio's validation lets it pass and istiod ignores it.
  [
    'ISTIO_MUTUAL',
    tls({ mode: 'ISTIO_MUTUAL', privateKey: 'a' }),
    [`warning invalid-value ${base}.tls.privateKey`, `warning not-implemented ${base}.tls.mode`],
  ],
  [
    'credentialName',
    tls({ mode: 'SIMPLE', credentialName: 'a', caCertificates: 'b' }),
    [`error invalid-value ${base}.tls.caCertificates`],
  ],
  [
    'tunnel',
    policy({
      tunnel: { protocol: 'GET', targetHost: 'a', targetPort: 1 },
      proxyProtocol: { version: 'V1' },
    }),
    [`error invalid-value ${base}.proxyProtocol`, `error invalid-value ${base}.tunnel.protocol`],
  ],
  [
    'retryBudget',
    policy({ retryBudget: { percent: 20, budgetInterval: '-1s' } }),
    [`error invalid-value ${base}.retryBudget.budgetInterval`],
  ],
  [
    'parts of outlier detection',
    policy({ outlierDetection: { consecutiveErrors: 1, outlierDetectionHttpErrorCodes: [500] } }),
    [`info no-effect ${base}.outlierDetection.consecutiveErrors`],
  ],
  [
    'workloadSelector',
    dr({ workloadSelector: { matchLabels: { a: 'b' } }, exportTo: ['*'] }),
    ['error invalid-value spec.exportTo'],
  ],
];

for (const [name, doc, expected] of cases) {
  t.test(name, async (t) => t.strictSame(problemLines(doc), expected));
}
