// Probes as what Envoy is told to check: each way to ask written out, and a property: what the checks of WorkloadGroup let
// through, the newest Envoy and the oldest take.
import fc from 'fast-check';
import t from 'tap';
import { decode, encode, toJson, verify } from '../../src/envoy/codec.js';
import { parseResource } from '../../src/kinds/registry.js';
import type { Resource } from '../../src/kinds/resource.js';
import type { WorkloadGroupSpec } from '../../src/kinds/workload-group.js';
import { parseProxy } from '../../src/mesh/parse-proxy.js';
import { isProbed, type Probe, probeOf } from '../../src/mesh/probe.js';
import { healthCheckSpecifier } from '../../src/translate/health-check.js';
import { testedVersions, validateBootstrap } from '../envoy/envoy-process.js';
import { documentOf } from '../kinds/check-document.js';

t.setTimeout(180_000);

const SPECIFIER = 'envoy.service.health.v3.HealthCheckSpecifier';

const proxy = (ip = '10.0.0.7', metadata: object = { HEALTH_DISCOVERY: 'true' }) =>
  parseProxy({
    id: `sidecar~${ip}~web-1.default~default.svc.cluster.local`,
    cluster: '',
    metadata: { AUTO_REGISTER_GROUP: 'web', ...metadata },
  });

function groupWith(probe: object | undefined): Resource<WorkloadGroupSpec> {
  const { resource, problems } = parseResource(
    documentOf('WorkloadGroup', { template: {}, ...(probe && { probe }) }),
  );
  if (!resource) throw new Error(JSON.stringify(problems));
  return resource as Resource<WorkloadGroupSpec>;
}

const probe = (text: object, ip?: string): Probe | undefined => probeOf(groupWith(text), proxy(ip));

interface Check {
  clusterName: string;
  healthChecks: Record<string, unknown>[];
  localityEndpoints: { endpoints: { address: { socketAddress: object } }[] }[];
  transportSocketMatches?: object[];
}

function specified(text: object, ip?: string): Check {
  const message = healthCheckSpecifier(probe(text, ip));
  t.strictSame(verify(SPECIFIER, message), []);
  const json = toJson(SPECIFIER, message) as { clusterHealthChecks: [Check] };
  return json.clusterHealthChecks[0];
}

/** The only check, and what it is asked of. */
function asked(text: object, ip?: string): Record<string, unknown> {
  const { healthChecks, localityEndpoints } = specified(text, ip);
  return { ...healthChecks[0], at: localityEndpoints[0]?.endpoints[0]?.address.socketAddress };
}

t.test('times and thresholds, with the defaults of Istio’s agent', async (t) => {
  const tcpSocket = { port: 8080 };
  t.strictSame(asked({ tcpSocket }), {
    timeout: '1s',
    interval: '10s',
    noTrafficInterval: '10s',
    noTrafficHealthyInterval: '10s',
    unhealthyThreshold: 1,
    healthyThreshold: 1,
    reuseConnection: false,
    tcpHealthCheck: {},
    at: { address: '10.0.0.7', portValue: 8080 },
  });
  const own = { periodSeconds: 3, timeoutSeconds: 2, failureThreshold: 4, successThreshold: 5 };
  t.match(asked({ tcpSocket, ...own }), {
    timeout: '2s',
    interval: '3s',
    noTrafficInterval: '3s',
    unhealthyThreshold: 4,
    healthyThreshold: 5,
  });
  t.match(probe({ tcpSocket, initialDelaySeconds: 7 }), { initialDelayS: 7 });
  t.strictSame(toJson(SPECIFIER, healthCheckSpecifier(undefined)), { interval: '3600s' });
});

t.test('HTTP', async (t) => {
  t.strictSame(asked({ httpGet: { port: 80 } })['httpHealthCheck'], {
    host: '10.0.0.7:80',
    path: '/',
    expectedStatuses: [{ start: '200', end: '400' }],
    retriableStatuses: [{ start: '100', end: '600' }],
  });
  const httpHeaders = [
    { name: 'X-A', value: '50% of %REQ(a)%' },
    { name: 'host', value: 'web.example' },
    { name: 'User-Agent', value: 'me' },
  ];
  const path = 'health check/ü?a=b%20c';
  t.match(asked({ httpGet: { port: 80, path, host: '::1', httpHeaders } }, 'fd00::7'), {
    httpHealthCheck: {
      host: 'web.example',
      path: '/health%20check/%C3%BC?a=b%20c',
      requestHeadersToAdd: [
        { header: { key: 'X-A', value: '50%% of %%REQ(a)%%' } },
        { header: { key: 'User-Agent', value: 'me' }, appendAction: 'OVERWRITE_IF_EXISTS_OR_ADD' },
      ],
    },
    at: { address: '::1' },
  });
  t.match(asked({ httpGet: { port: 80 } }, 'fd00::7'), {
    httpHealthCheck: { host: '[fd00::7]:80' },
    at: { address: 'fd00::7' },
  });
  t.match(asked({ httpGet: { port: 80, host: 'localhost' } }), {
    httpHealthCheck: { host: '127.0.0.1:80' },
    at: { address: '127.0.0.1' },
  });
});

t.test('HTTPS, of whatever certificate', async (t) => {
  const { healthChecks, transportSocketMatches } = specified({
    httpGet: { port: 443, scheme: 'HTTPS' },
  });
  t.match(healthChecks[0], { transportSocketMatchCriteria: { tls: true } });
  t.match(transportSocketMatches, [
    {
      match: { tls: true },
      transportSocket: { typedConfig: { commonTlsContext: {} } },
    },
  ]);
});

t.test('gRPC, as the bytes of grpc.health.v1', async (t) => {
  const REQUEST = 'grpc.health.v1.HealthCheckRequest';
  for (const service of ['', 'web', 'x'.repeat(300)]) {
    const { httpHealthCheck } = asked({ grpc: { port: 90, service } }) as unknown as {
      httpHealthCheck: { send: { text: string }; receive: { text: string }[] };
    };
    const sent = Buffer.from(httpHealthCheck.send.text, 'hex');
    t.equal(sent.readUInt32BE(1), sent.length - 5);
    t.match(decode(REQUEST, sent.subarray(5)), { service });
    t.same(sent.subarray(5), encode(REQUEST, service ? { service } : {}));
    const answer = Buffer.from(httpHealthCheck.receive[0]!.text, 'hex');
    t.match(decode('grpc.health.v1.HealthCheckResponse', answer.subarray(5)), { status: 1 });
    t.match(httpHealthCheck, {
      path: '/grpc.health.v1.Health/Check',
      method: 'POST',
      codecClientType: 'HTTP2',
    });
  }
});

t.test('whose health is told, and by whom', async (t) => {
  const some = groupWith({ tcpSocket: { port: 80 } });
  t.ok(isProbed(some, proxy()));
  t.notOk(isProbed(some, proxy('10.0.0.7', {})), 'an Envoy that does not say that it runs probes');
  t.notOk(isProbed(groupWith(undefined), proxy()));
  for (const unable of [
    { exec: { command: ['true'] } },
    { httpGet: { port: 80, host: 'web.example' } },
    { tcpSocket: { port: 80, host: 'fe80::1%eth0' } },
  ]) {
    t.notOk(isProbed(groupWith(unable), proxy()), 'Envoy cannot');
    t.strictSame(healthCheckSpecifier(probe(unable)), healthCheckSpecifier(undefined));
  }
  const agent = { PROXY_CONFIG: { readinessProbe: { exec: { command: ['true'] } } } };
  t.ok(
    isProbed(groupWith(undefined), proxy('10.0.0.7', agent)),
    'the agent has a probe of its own',
  );
  t.equal(probeOf(some, { ...proxy(), ips: [] }), undefined, 'no address to ask');
});

const int32 = fc.oneof(
  fc.integer({ min: 0, max: 3 }),
  fc.integer({ min: 0, max: 2 ** 31 - 1 }),
  fc.constant(2 ** 31 - 1),
);
const port = fc.integer({ min: 1, max: 65_535 });
const text = fc.oneof(
  fc.string(),
  fc.string({ unit: 'binary' }),
  fc.constantFrom('/', '%', '%%', ''),
);
const host = fc.constantFrom(
  '',
  'localhost',
  '127.0.0.1',
  '::1',
  '0.0.0.0',
  'fe80::1',
  'fe80::1%lo',
  'a.example',
);
const method = fc.oneof(
  fc.record({ tcpSocket: fc.record({ port, host }) }),
  fc.record({ grpc: fc.record({ port, service: text }) }),
  fc.record({
    httpGet: fc.record({
      ...{ port, host, path: text, scheme: fc.constantFrom('HTTP', 'HTTPS') },
      httpHeaders: fc.array(
        fc.record({
          name: fc.oneof(
            fc.stringMatching(/^[-_A-Za-z0-9]{1,20}$/),
            fc.constantFrom('Host', 'te', 'Content-Length', 'connection', 'user-agent', ':path'),
          ),
          value: text,
        }),
        { maxLength: 4 },
      ),
    }),
  }),
);
const anyProbe = fc
  .tuple(
    method,
    fc.record(
      {
        timeoutSeconds: int32,
        periodSeconds: int32,
        successThreshold: int32,
        failureThreshold: int32,
      },
      { requiredKeys: [] },
    ),
  )
  .map(([way, times]) => ({ ...way, ...times }));

t.test('what the checks let through, Envoy takes', async (t) => {
  const accepted = fc
    .sample(anyProbe, 1500)
    .filter(
      (text) => parseResource(documentOf('WorkloadGroup', { template: {}, probe: text })).resource,
    )
    .map((text) => ({ text, message: healthCheckSpecifier(probe(text)) }))
    .filter(({ message }) => message.cluster_health_checks?.length);
  t.ok(accepted.length > 300, `${accepted.length} probes`);
  const bootstrap = (some: typeof accepted) => ({
    static_resources: { clusters: some.map(({ message }, i) => clusterOf(message, `c${i}`)) },
  });
  for (const version of testedVersions) {
    const complaint = validateBootstrap(bootstrap(accepted), version);
    const isRefused = (each: (typeof accepted)[number]) =>
      validateBootstrap(bootstrap([each]), version) !== undefined;
    const culprit = complaint === undefined ? undefined : accepted.find(isRefused);
    t.equal(complaint, undefined, JSON.stringify(culprit?.text));
  }
});

/** A cluster with the checks, which is what Envoy makes of them. */
function clusterOf(message: object, name: string): object {
  const json = toJson(SPECIFIER, message) as { clusterHealthChecks: [Check] };
  const [{ healthChecks, localityEndpoints, transportSocketMatches }] = json.clusterHealthChecks;
  return {
    name,
    type: 'STATIC',
    connect_timeout: '1s',
    health_checks: healthChecks,
    ...(transportSocketMatches && { transport_socket_matches: transportSocketMatches }),
    load_assignment: {
      cluster_name: name,
      endpoints: localityEndpoints.map(({ endpoints }) => ({
        lb_endpoints: endpoints.map((endpoint) => ({ endpoint })),
      })),
    },
  };
}
