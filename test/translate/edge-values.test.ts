// Extreme and odd values: what the checks of kinds let through, a real Envoy takes, so that a mistake is told to its
// author and not to a proxy as a NACK. All rows are in one mesh and one run of Envoy.
import t from 'tap';
import { parseProxy } from '../../src/mesh/parse-proxy.js';
import { viewOf } from '../../src/mesh/view.js';
import { translate } from '../../src/translate/translate.js';
import { validateBootstrap } from '../envoy/envoy-process.js';
import { staticBootstrap } from './case-bootstrap.js';
import { CaseMesh } from './case-run.js';

const hash = (text: string) => `{loadBalancer: {consistentHash: {${text}}}}`;
const pool = (text: string) => `{connectionPool: {${text}}}`;

/** Traffic policies of a DestinationRule. */
const policies = {
  taken: [
    pool('tcp: {connectTimeout: 1ms}'),
    pool('tcp: {connectTimeout: 2562047h, idleTimeout: 2562047h, maxConnectionDuration: 2562047h}'),
    pool('tcp: {tcpKeepalive: {}}'),
    pool('tcp: {tcpKeepalive: {time: 1ms, interval: 1ms, probes: 4294967295}}'),
    pool(
      'tcp: {maxConnections: 2147483647}, http: {http2MaxRequests: 2147483647, maxRetries: 2147483647}',
    ),
    pool('http: {maxRequestsPerConnection: 2147483647, idleTimeout: 1ms}'),
    pool('http: {maxConcurrentStreams: 2147483647, h2UpgradePolicy: UPGRADE}'),
    pool('http: {h2UpgradePolicy: UPGRADE, http2KeepAlive: {interval: 1ms, timeout: 1ms}}'),
    '{outlierDetection: {interval: 1ms, baseEjectionTime: 1ms, maxEjectionPercent: 100}}',
    '{outlierDetection: {baseEjectionTime: 100h, minHealthPercent: 100}}',
    '{outlierDetection: {consecutive5xxErrors: 4294967295, consecutiveGatewayErrors: 0}}',
    hash('httpHeaderName: a, ringHash: {minimumRingSize: 8388608}'),
    hash('httpHeaderName: a, maglev: {tableSize: 5000011}'),
    hash('httpHeaderName: ":authority"'),
    hash('httpCookie: {name: "a;b", ttl: 1s}'),
    hash('useSourceIp: false'),
    hash('httpQueryParameterName: "a b"'),
    '{loadBalancer: {warmup: {duration: 1s, minimumPercent: 0, aggression: 1}}}',
    '{loadBalancer: {warmup: {duration: 1s, minimumPercent: 100, aggression: 1e300}}}',
    '{retryBudget: {percent: 0, minRetryConcurrency: 0}}',
    '{retryBudget: {percent: 100, minRetryConcurrency: 4294967295}}',
  ],
  refused: [
    pool('tcp: {connectTimeout: 1us}'),
    pool('tcp: {connectTimeout: 2562048h}'),
    pool('http: {h2UpgradePolicy: UPGRADE, http2KeepAlive: {}}'),
    hash('httpHeaderName: a, ringHash: {minimumRingSize: 8388609}'),
    hash('httpHeaderName: a, minimumRingSize: 8388609'),
    hash('httpHeaderName: a, maglev: {tableSize: 12}'),
    hash('httpHeaderName: "a\\nb"'),
    '{loadBalancer: {warmup: {duration: 0s}}}',
    '{loadBalancer: {warmup: {duration: 1s, aggression: 0}}}',
    '{outlierDetection: {interval: 0s}}',
  ],
};

const to = 'route: [{destination: {host: a}}]';
const match = (text: string) => `{match: [{${text}}], ${to}}`;

/** Entries of `http` of a VirtualService. */
const rules = {
  taken: [
    match('uri: {regex: "(a|b){1,500}"}'),
    match('uri: {regex: "((a{10}){10}b){10}c{1000}[({9}]{9}"}'),
    match('uri: {prefix: ""}'),
    match('uri: {exact: "a b?x#y"}'),
    match('authority: {regex: ".*"}, scheme: {prefix: h}, method: {prefix: G}'),
    match('queryParams: {b: {}, c: {regex: ".*"}}'),
    `{retries: {attempts: 2147483647, perTryTimeout: 1ms, backoff: 1ms, retryOn: "5xx,499"}, ${to}}`,
    `{fault: {delay: {percentage: {value: 5}}}, ${to}}`,
    '{redirect: {authority: "a b", uri: "x y"}}',
    '{directResponse: {status: 599, body: {}}}',
    `{directResponse: {status: 200, body: {string: "${'x'.repeat(5000)}"}}}`,
    `{rewrite: {uri: "a b"}, ${to}}`,
    `{rewrite: {uriRegexRewrite: {match: "a", rewrite: '\\9'}}, ${to}}`,
    `{match: [{uri: {regex: "/a.*"}}], rewrite: {uri: /b}, ${to}}`,
    `{mirror: {host: nobody}, mirrorPercentage: {value: 0.00001}, ${to}}`,
    `{headers: {request: {set: {x: "", y: "%START_TIME(%Y)%"}}}, ${to}}`,
    `{headers: {request: {set: {x: "${'v'.repeat(16_384)}"}}}, ${to}}`,
    `{corsPolicy: {}, ${to}}`,
    `{name: "a\\nb", ${to}}`,
    '{route: [{destination: {host: a}, weight: 0}]}',
  ],
  refused: [
    match('uri: {regex: "("}'),
    match('uri: {regex: "(?=a)"}'),
    match('uri: {regex: "(a{1,100}){1,11}"}'),
    match('uri: {regex: "((a{10}){10}b){11,}"}'),
    match('headers: {"x y": {exact: a}}'),
    `{timeout: 0s, ${to}}`,
    `{retries: {attempts: 1, retryOn: bogus}, ${to}}`,
    `{fault: {abort: {httpStatus: 600, percentage: {value: 100}}}, ${to}}`,
    '{redirect: {authority: "a\\nb"}}',
    '{redirect: {scheme: ftp}}',
    '{directResponse: {status: 99}}',
    `{rewrite: {uri: "/x\\ny"}, ${to}}`,
    `{rewrite: {authority: "x\\ny"}, ${to}}`,
    `{rewrite: {uriRegexRewrite: {match: "(", rewrite: x}}, ${to}}`,
    `{headers: {request: {set: {x: "%BOGUS"}}}, ${to}}`,
    `{headers: {response: {set: {x: "a\\nb"}}}, ${to}}`,
    `{headers: {request: {set: {x: "${'v'.repeat(16_385)}"}}}, ${to}}`,
    `{corsPolicy: {allowOrigins: [{regex: "("}]}, ${to}}`,
  ],
};

const service = (name: string) => `
apiVersion: v1
kind: Service
metadata: {name: ${name}, namespace: default}
spec: {selector: {app: a}, ports: [{name: http, port: 80}]}
`;
const workload = `
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: {name: a, namespace: default}
spec: {address: 10.0.0.1, labels: {app: a}}
`;
const destinationRule = (name: string, policy: string) => `
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: ${name}, namespace: default}
spec:
  host: ${name}
  trafficPolicy: ${policy}
`;
const virtualService = (name: string, rule: string) => `
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: ${name}, namespace: default}
spec:
  hosts: [${name}]
  http: [${rule}]
`;

void t.test('what is taken, Envoy takes', async (t) => {
  const documents = [service('a'), workload];
  const expected = new Map<string, { refused: boolean; row: string }>();
  const add = (kind: string, row: string, refused: boolean) => {
    const name = `r${expected.size}`;
    expected.set(`${kind}/${name}`, { refused, row });
    const make = kind === 'DestinationRule' ? destinationRule : virtualService;
    documents.push(service(name), make(name, row));
  };
  for (const row of policies.taken) add('DestinationRule', row, false);
  for (const row of policies.refused) add('DestinationRule', row, true);
  for (const row of rules.taken) add('VirtualService', row, false);
  for (const row of rules.refused) add('VirtualService', row, true);
  const { mesh, problems } = await new CaseMesh().read(documents);
  const refused = new Set(
    problems
      .filter(({ severity }) => severity === 'error')
      .map(({ resource }) => `${resource?.kind}/${resource?.name}`),
  );
  for (const [key, { refused: wanted, row }] of expected) {
    t.equal(refused.has(key), wanted, `${wanted ? 'refused' : 'taken'}: ${row.slice(0, 120)}`);
  }
  const metadata = { NAMESPACE: 'default', LABELS: { app: 'a' } };
  const proxy = parseProxy({ id: 'sidecar~10.0.0.1~a.default~x', cluster: 'a', metadata });
  const { resources } = translate(viewOf(mesh, proxy));
  t.equal(validateBootstrap(staticBootstrap(resources)), undefined, 'Envoy takes all of it');
});
