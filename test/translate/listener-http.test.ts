// Settings of HTTP connection managers, inline inbound routes, access logs, and that listeners stay the same objects.
// The values are Istio's (listener_builder, telemetry_logging, retry); every form is given to a real Envoy.
import t from 'tap';
import type { Listener } from '../../src/envoy/gen/types/envoy/config/listener/v3/Listener.js';
import { buildListeners } from '../../src/translate/listener.js';
import { outboundPlan } from '../../src/translate/outbound-plan.js';
import { buildRouteConfiguration } from '../../src/translate/route.js';
import {
  endpoint,
  ports,
  service,
  settings,
  type ViewParts,
  view,
  virtualService,
} from './listener-inputs.js';
import { objections } from './validate-listeners.js';

// biome-ignore lint/suspicious/noExplicitAny: looks into messages of many types
type Any = any;

const app = service('app', {
  addresses: ['10.0.0.1'],
  ports: ports('http:80', 'grpc:81', 'grpc-web:82', 'tcp:83'),
});
const inbound: ViewParts['inbound'] = [
  [app, 0, 8080],
  [app, 1, 8081],
  [app, 2, 8082],
  [app, 3, 8083],
];

function find(listeners: readonly Listener[], name: string): Listener {
  const found = listeners.find((each) => each.name === name);
  if (found === undefined) throw new Error(`no listener ${name}`);
  return found;
}

function lastFilter(listener: Listener, chain: string | number): Any {
  const chains = listener.filter_chains ?? [];
  const found =
    typeof chain === 'number' ? chains[chain] : chains.find((each) => each.name === chain);
  return found?.filters?.at(-1)?.typed_config;
}

const filterNames = (manager: Any): string[] =>
  manager.http_filters.map((filter: Any) => filter.name.replace('envoy.filters.http.', ''));

t.test('the outbound connection manager', async (t) => {
  const listeners = buildListeners(view({ services: [app] }));
  const manager = lastFilter(find(listeners, '0.0.0.0_80'), 0);
  t.match(manager, {
    codec_type: 'AUTO',
    stat_prefix: 'outbound_0.0.0.0_80;',
    rds: {
      route_config_name: '80',
      config_source: {
        ads: {},
        resource_api_version: 'V3',
        initial_fetch_timeout: { seconds: 0, nanos: 0 },
      },
    },
    normalize_path: { value: true },
    path_with_escaped_slashes_action: 'KEEP_UNCHANGED',
    use_remote_address: { value: false },
    upgrade_configs: [{ upgrade_type: 'websocket' }],
    stream_idle_timeout: { seconds: 0, nanos: 0 },
    proxy_100_continue: true,
  });
  t.notOk(manager.server_name, 'outbound answers keep the name that Envoy gives');
  t.notOk(manager.forward_client_cert_details, 'certificates of clients are not forwarded');
  t.strictSame(filterNames(manager), ['grpc_stats', 'fault', 'cors', 'router']);
  t.strictSame(filterNames(lastFilter(find(listeners, '0.0.0.0_82'), 0)), [
    'grpc_web',
    'grpc_stats',
    'fault',
    'cors',
    'router',
  ]);
});

t.test('the inbound connection manager and its inline route', async (t) => {
  const listener = find(buildListeners(view({ inbound })), 'virtualInbound');
  const manager = lastFilter(listener, '0.0.0.0_8080');
  t.match(manager, {
    stat_prefix: 'inbound_0.0.0.0_8080;',
    server_name: 'istio-envoy',
    forward_client_cert_details: 'APPEND_FORWARD',
    set_current_client_cert_details: { subject: { value: true }, uri: true, dns: true },
    use_remote_address: { value: false },
  });
  t.notOk(manager.http2_protocol_options);
  const off = { seconds: 0, nanos: 0 };
  const route = {
    name: 'default',
    match: { prefix: '/' },
    decorator: { operation: 'app.default.svc.cluster.local:80/*' },
    route: {
      cluster: 'inbound|8080||',
      timeout: off,
      max_stream_duration: { max_stream_duration: off, grpc_timeout_header_max: off },
      retry_policy: { num_retries: { value: 2 }, retry_on: 'reset-before-request' },
    },
  };
  t.strictSame(manager.route_config, {
    name: 'inbound|8080||',
    virtual_hosts: [{ name: 'inbound|http|80', domains: ['*'], routes: [route] }],
    validate_clusters: { value: false },
  });
  const grpc = lastFilter(listener, '0.0.0.0_8081');
  t.ok(grpc.http2_protocol_options);
  t.notOk(grpc.route_config.virtual_hosts[0].routes[0].route.retry_policy);
  t.equal(filterNames(lastFilter(listener, '0.0.0.0_8082'))[0], 'grpc_web');
  const unknown = lastFilter(listener, 'virtualInbound-catchall-http');
  t.equal(unknown.stat_prefix, 'InboundPassthroughCluster;');
  t.equal(unknown.route_config.name, 'InboundPassthroughCluster');
  t.match(unknown.route_config.virtual_hosts[0], {
    name: 'inbound|http|0',
    routes: [{ decorator: { operation: ':0/*' } }],
  });
});

t.test('path normalisation of MeshConfig', async (t) => {
  const table = [
    ['DEFAULT', true, undefined, 'KEEP_UNCHANGED'],
    ['NONE', false, undefined, 'KEEP_UNCHANGED'],
    ['BASE', true, undefined, 'KEEP_UNCHANGED'],
    ['MERGE_SLASHES', true, true, 'KEEP_UNCHANGED'],
    ['DECODE_AND_MERGE_SLASHES', true, true, 'UNESCAPE_AND_FORWARD'],
  ] as const;
  for (const [normalization, normalize, merge, slashes] of table) {
    const mesh = settings({ config: { pathNormalization: { normalization } } });
    const listeners = buildListeners(view({ services: [app], settings: mesh }));
    const manager = lastFilter(find(listeners, '0.0.0.0_80'), 0);
    t.equal(manager.normalize_path.value, normalize, normalization);
    t.equal(manager.merge_slashes, merge, normalization);
    t.equal(manager.path_with_escaped_slashes_action, slashes, normalization);
    t.strictSame(objections(listeners), [], normalization);
  }
});

t.test(
  'detection of protocols waits as long as MeshConfig says, and only where there is any',
  async (t) => {
    const mesh = settings({ protocolDetectionTimeoutMs: 1500 });
    const listeners = buildListeners(view({ services: [app], inbound, settings: mesh }));
    const waits = (name: string) => find(listeners, name).listener_filters_timeout;
    t.strictSame(waits('0.0.0.0_80'), { seconds: 1, nanos: 500_000_000 });
    t.strictSame(waits('virtualInbound'), { seconds: 1, nanos: 500_000_000 });
    t.strictSame(waits('10.0.0.1_83'), { seconds: 0, nanos: 0 });
    t.ok(find(listeners, '0.0.0.0_80').continue_on_listener_filters_timeout);
    t.ok(find(listeners, 'virtualInbound').continue_on_listener_filters_timeout);
    t.strictSame(objections(listeners), []);
  },
);

// The default format as Istio documents it, in one piece.
const line =
  '[%START_TIME%] "%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%" %RESPONSE_CODE% %RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS% %CONNECTION_TERMINATION_DETAILS% "%UPSTREAM_TRANSPORT_FAILURE_REASON%" %BYTES_RECEIVED% %BYTES_SENT% %DURATION% %RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% "%REQ(X-FORWARDED-FOR)%" "%REQ(USER-AGENT)%" "%REQ(X-REQUEST-ID)%" "%REQ(:AUTHORITY)%" "%UPSTREAM_HOST%" %UPSTREAM_CLUSTER_RAW% %UPSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_REMOTE_ADDRESS% %REQUESTED_SERVER_NAME% %ROUTE_NAME%\n';

t.test('access logs: formats', async (t) => {
  const operators = new Set(line.match(/%[^%]+%/g));
  t.equal(operators.size, 24, 'the default has 24 operators');
  const logOf = (config: Parameters<typeof settings>[0]) => {
    const listeners = buildListeners(
      view({ services: [app], inbound, settings: settings(config) }),
    );
    t.strictSame(objections(listeners), []);
    return lastFilter(find(listeners, '0.0.0.0_80'), 0).access_log[0];
  };
  const file = { accessLogFile: '/dev/null' } as const;
  const text = logOf({ config: file });
  t.equal(text.name, 'envoy.access_loggers.file');
  t.equal(text.typed_config.path, '/dev/null');
  t.equal(text.typed_config.log_format.text_format_source.inline_string, line);

  const own = logOf({ config: { ...file, accessLogFormat: '%PROTOCOL%' } });
  t.equal(own.typed_config.log_format.text_format_source.inline_string, '%PROTOCOL%\n');

  const json = logOf({ config: { ...file, accessLogEncoding: 'JSON' } });
  const { json_format, json_format_options } = json.typed_config.log_format;
  t.strictSame(json_format_options, { sort_properties: false });
  const values = Object.values(json_format.fields).map((value: Any) => value.stringValue);
  t.strictSame(new Set(values), operators, 'the JSON form has the same operators');
  t.equal(json_format.fields.upstream_cluster.stringValue, '%UPSTREAM_CLUSTER_RAW%');

  const fields = logOf({
    config: {
      ...file,
      accessLogEncoding: 'JSON',
      accessLogFormat: '{"a":"%PROTOCOL%","n":{"b":1}}',
    },
  });
  t.strictSame(fields.typed_config.log_format.json_format.fields, {
    a: { stringValue: '%PROTOCOL%' },
    n: { structValue: { fields: { b: { numberValue: 1 } } } },
  });
  for (const accessLogFormat of ['not json', '[1]', 'null']) {
    const fallback = logOf({ config: { ...file, accessLogEncoding: 'JSON', accessLogFormat } });
    t.strictSame(fallback.typed_config.log_format.json_format, json_format, accessLogFormat);
  }
  for (const accessLogEncoding of ['TEXT', 'JSON'] as const) {
    const accessLogFormat = '{"path":"%REQ_WITHOUT_QUERY(:PATH)%"}';
    const log = logOf({ config: { ...file, accessLogEncoding, accessLogFormat } });
    const [formatter] = log.typed_config.log_format.formatters;
    t.equal(formatter.name, 'envoy.formatter.req_without_query', accessLogEncoding);
  }
  const stdout = logOf({ config: { accessLogFile: '/dev/stdout' } });
  t.equal(stdout.name, 'envoy.access_loggers.stdout');
  t.equal(stdout.typed_config.log_format.text_format_source.inline_string, line);
});

t.test('access logs: where', async (t) => {
  const mesh = settings({ config: { accessLogFile: '/dev/null' } });
  const listeners = buildListeners(view({ services: [app], inbound, settings: mesh }));
  const virtual = find(listeners, 'virtualOutbound');
  const arriving = find(listeners, 'virtualInbound');
  for (const listener of [virtual, arriving]) {
    t.strictSame(listener.access_log?.[0]?.filter, { response_flag_filter: { flags: ['NR'] } });
  }
  t.notOk(find(listeners, '0.0.0.0_80').access_log, 'not on the listeners of ports');
  t.equal(lastFilter(virtual, 'virtualOutbound-catchall-tcp').access_log.length, 1);
  t.notOk(lastFilter(virtual, 'virtualOutbound-blackhole').access_log, 'loop guards have none');
  t.notOk(lastFilter(arriving, 'virtualInbound-blackhole').access_log);
  for (const chain of ['0.0.0.0_8080', '0.0.0.0_8083', 'virtualInbound']) {
    t.equal(lastFilter(arriving, chain).access_log.length, 1, chain);
  }
  const silent = buildListeners(view({ services: [app], inbound }));
  t.notMatch(JSON.stringify(silent), 'access_loggers');
});

t.test('identity: a listener is built again only when something in it changes', async (t) => {
  const db = service('db', { headless: true, resolution: 'none', ports: ports('tcp:5432') });
  const tcp = service('tcp', { addresses: ['10.0.0.9'], ports: ports('tcp:9') });
  const services = [app, db, tcp];
  const pod = (ip: string) => new Map([[db, [endpoint(ip, 5432)]]]);
  const parts: ViewParts = { services, inbound, endpoints: pod('10.1.0.1') };
  const before = view(parts);
  const first = buildListeners(before);
  const changed = (next: typeof before) => {
    const now = buildListeners(next);
    return now.filter((each) => !first.includes(each)).map(({ name }) => name);
  };
  t.strictSame(changed({ ...before }), [], 'the same parts');
  t.equal(outboundPlan({ ...before }), outboundPlan(before), 'the same plan');
  t.strictSame(changed(view(parts)), [], 'equal parts in a new view');
  const endpoints = new Map([...before.outbound.endpoints]);
  const moved = { ...before, outbound: { ...before.outbound, endpoints } };
  t.equal(outboundPlan(moved), outboundPlan(before), 'other endpoints are not looked at');
  t.strictSame(changed(view({ ...parts, endpoints: pod('10.1.0.2') })), ['10.1.0.2_5432']);
  const http = [virtualService('h', ['app'], { http: [{ route: [] }] })];
  t.strictSame(changed(view({ ...parts, virtualServices: http })), [], 'HTTP rules are in RDS');
  const edited = { ...before, outbound: { ...before.outbound, virtualServices: http } };
  t.equal(outboundPlan(edited), outboundPlan(before), 'nor do they make a new plan');
  const subsets = [{ name: 'v1', labels: { version: 'v1' } }];
  t.strictSame(changed(view({ ...parts, rules: { tcp: { subsets } } })), [], 'subsets are in CDS');
  const added = service('more', { addresses: ['10.0.0.8'], ports: ports('http:80', 'tcp:9') });
  t.strictSame(changed(view({ ...parts, services: [...services, added] })), ['10.0.0.8_9']);
  const other = view({ ...parts, proxy: { namespace: 'other' }, ips: ['10.9.9.8'] });
  t.strictSame(changed(other), [], 'another proxy with the same ports shares all');
  const routes = (plan = outboundPlan(before)) => plan.routes.find(({ name }) => name === '81');
  const next = {
    ...before,
    outbound: { ...before.outbound, services: [...before.outbound.services] },
  };
  t.equal(routes(outboundPlan(next)), routes(), 'a route plan with the same services');
});

t.test('the order of services and of matches does not matter', async (t) => {
  const many = ['c', 'a', 'b'].map((name, i) =>
    service(name, { addresses: [`10.0.1.${i}`], ports: ports('tcp:9', 'http:80', 'auto:70') }),
  );
  const names = (list: typeof many) =>
    JSON.stringify(buildListeners(view({ services: list })).map((each) => each));
  t.equal(names(many), names([...many].reverse()));
});

t.test('the route of the HTTP proxy tells services apart by port', async (t) => {
  const web = service('web', { addresses: ['10.0.0.7'], ports: ports('http:80', 'http:8080') });
  const input = view({ services: [web, app], proxy: { interceptionMode: 'NONE' } });
  const plan = outboundPlan(input).routes.find(({ name }) => name === 'http_proxy');
  t.strictSame(
    plan?.services.map((each) => each.service.name),
    ['app', 'web'],
  );
  const { outbound, proxy, settings: mesh } = input;
  const route = buildRouteConfiguration({
    name: 'http_proxy',
    port: 0,
    services: plan?.services ?? [],
    outbound: outbound.services,
    virtualServices: [],
    proxy,
    settings: mesh,
  });
  t.equal(route.ignore_port_in_host_matching, false);
  const hosts = new Map(route.virtual_hosts?.map((host) => [host.name, host]));
  const at80 = hosts.get('web.default.svc.cluster.local:80')?.domains ?? [];
  const at8080 = hosts.get('web.default.svc.cluster.local:8080')?.domains ?? [];
  t.ok(at80.includes('web') && at80.includes('web:80') && at80.includes('10.0.0.7'));
  t.ok(at8080.includes('web:8080') && !at8080.includes('web'));
  const all = route.virtual_hosts?.flatMap((host) => host.domains ?? []) ?? [];
  t.equal(new Set(all).size, all.length, 'no domain twice, or Envoy refuses it');
  t.equal(route.virtual_hosts?.at(-1)?.name, 'allow_any');
});
