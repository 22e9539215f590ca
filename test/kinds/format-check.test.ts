// Operators of formats: which ones are known, and that a real Envoy takes each of them.
import t from 'tap';
import { formatProblem, operators, withArguments } from '../../src/kinds/format-check.js';
import { DEFAULT_JSON_FORMAT, DEFAULT_TEXT_FORMAT } from '../../src/translate/access-log.js';
import { validateBootstrap } from '../envoy/envoy-process.js';
import { documentOf, problemLines } from './check-document.js';

t.test('formats', async (t) => {
  for (const text of [
    DEFAULT_TEXT_FORMAT,
    ...Object.values(DEFAULT_JSON_FORMAT),
    '',
    '100%%',
    '%START_TIME(%Y-%m-%dT%H:%M:%S%z)% %REQ(:PATH):20%',
    '%DYNAMIC_METADATA(com.test:key:sub):9%',
    '%CEL(request.headers["x"])%',
  ]) {
    t.equal(formatProblem(text), undefined, text);
  }
  t.match(formatProblem('%RESPONS_CODE%'), /no operator %RESPONS_CODE%.*RESPONSE_CODE/);
  t.match(formatProblem('a %REQ% b'), 'needs arguments');
  t.match(formatProblem('50% of it'), 'must be written %%');
});

t.test('of MeshConfig', async (t) => {
  const lines = (spec: object) => problemLines(documentOf('MeshConfig', spec));
  const refused = ['error invalid-value spec.accessLogFormat'];
  t.strictSame(lines({ accessLogFormat: '%PROTOCOL% %NOTHING%' }), refused);
  t.strictSame(lines({ accessLogFormat: '%PROTOCOL%' }), []);
  const json = (format: unknown) =>
    lines({ accessLogEncoding: 'JSON', accessLogFormat: JSON.stringify(format) });
  t.strictSame(json({ a: '%PROTOCOL%', b: { c: ['%NOTHING%'] } }), refused);
  t.strictSame(json({ a: '%PROTOCOL%', b: { c: 1 } }), []);
  t.strictSame(json('%PROTOCOL%'), ['warning invalid-value spec.accessLogFormat']);
});

t.test('of headers', async (t) => {
  const route = { destination: { host: 'a' }, headers: { request: { set: { x: '%NOTHING%' } } } };
  const doc = documentOf('VirtualService', { hosts: ['a'], http: [{ route: [route] }] });
  t.strictSame(problemLines(doc), [
    'error invalid-value spec.http[0].route[0].headers.request.set.x',
  ]);
});

/** Arguments that fit operators which do not take just any. */
const fitting: Readonly<Record<string, string>> = {
  COALESCE: '({"operators": ["PROTOCOL"]})',
  COMMON_DURATION: '(DS_RX_BEG:DS_TX_END:ms)',
  METADATA: '(ROUTE:a)',
};

t.test('a real Envoy knows them all', async (t) => {
  const text = [...operators]
    .map((name) => `%${name}${withArguments.has(name) ? (fitting[name] ?? '(x)') : ''}%`)
    .join(' ');
  const type = 'type.googleapis.com/envoy.extensions';
  const log_format = {
    text_format_source: { inline_string: text },
    formatters: [
      {
        name: 'envoy.formatter.req_without_query',
        typed_config: { '@type': `${type}.formatter.req_without_query.v3.ReqWithoutQuery` },
      },
    ],
  };
  const typed_config = {
    '@type': `${type}.access_loggers.stream.v3.StdoutAccessLog`,
    log_format,
  };
  const proxy = {
    '@type': `${type}.filters.network.tcp_proxy.v3.TcpProxy`,
    stat_prefix: 'x',
    cluster: 'x',
  };
  const listener = {
    name: 'x',
    address: { socket_address: { address: '127.0.0.1', port_value: 0 } },
    access_log: [{ name: 'log', typed_config }],
    filter_chains: [{ filters: [{ name: 'proxy', typed_config: proxy }] }],
  };
  const refusal = validateBootstrap({ static_resources: { listeners: [listener] } });
  t.equal(refusal, undefined);
});
