// The access log of MeshConfig: where it is written and in which form. Formats are byte for byte Istio's, because
// people parse them. Which listener or filter carries a log is decided where that is built.
import type { AccessLog } from '../envoy/gen/types/envoy/config/accesslog/v3/AccessLog.js';
import type { SubstitutionFormatString } from '../envoy/gen/types/envoy/config/core/v3/SubstitutionFormatString.js';
import type { FileAccessLog } from '../envoy/gen/types/envoy/extensions/access_loggers/file/v3/FileAccessLog.js';
import { memoize } from '../lib/memo.js';
import type { MeshSettings } from '../mesh/mesh-settings.js';
import { any } from './any.js';
import { type Json, struct } from './struct.js';

/** Istio's default line (istio.io, Envoy Access Logs, Default access log format). */
export const DEFAULT_TEXT_FORMAT =
  '[%START_TIME%] "%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%" ' +
  '%RESPONSE_CODE% %RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS% %CONNECTION_TERMINATION_DETAILS% ' +
  '"%UPSTREAM_TRANSPORT_FAILURE_REASON%" %BYTES_RECEIVED% %BYTES_SENT% %DURATION% ' +
  '%RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% "%REQ(X-FORWARDED-FOR)%" "%REQ(USER-AGENT)%" ' +
  '"%REQ(X-REQUEST-ID)%" "%REQ(:AUTHORITY)%" "%UPSTREAM_HOST%" %UPSTREAM_CLUSTER_RAW% ' +
  '%UPSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_REMOTE_ADDRESS% ' +
  '%REQUESTED_SERVER_NAME% %ROUTE_NAME%\n';

/** Istio's default object: the same operators with accessLogEncoding JSON. */
export const DEFAULT_JSON_FORMAT = {
  start_time: '%START_TIME%',
  route_name: '%ROUTE_NAME%',
  method: '%REQ(:METHOD)%',
  path: '%REQ(X-ENVOY-ORIGINAL-PATH?:PATH)%',
  protocol: '%PROTOCOL%',
  response_code: '%RESPONSE_CODE%',
  response_flags: '%RESPONSE_FLAGS%',
  response_code_details: '%RESPONSE_CODE_DETAILS%',
  connection_termination_details: '%CONNECTION_TERMINATION_DETAILS%',
  bytes_received: '%BYTES_RECEIVED%',
  bytes_sent: '%BYTES_SENT%',
  duration: '%DURATION%',
  upstream_service_time: '%RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)%',
  x_forwarded_for: '%REQ(X-FORWARDED-FOR)%',
  user_agent: '%REQ(USER-AGENT)%',
  request_id: '%REQ(X-REQUEST-ID)%',
  authority: '%REQ(:AUTHORITY)%',
  upstream_host: '%UPSTREAM_HOST%',
  upstream_cluster: '%UPSTREAM_CLUSTER_RAW%',
  upstream_local_address: '%UPSTREAM_LOCAL_ADDRESS%',
  downstream_local_address: '%DOWNSTREAM_LOCAL_ADDRESS%',
  downstream_remote_address: '%DOWNSTREAM_REMOTE_ADDRESS%',
  requested_server_name: '%REQUESTED_SERVER_NAME%',
  upstream_transport_failure_reason: '%UPSTREAM_TRANSPORT_FAILURE_REASON%',
};

/** The log of a filter (HTTP connection manager, tcp_proxy): none where MeshConfig names no file. */
export const filterAccessLog = memoize((settings: MeshSettings): AccessLog[] => {
  const log = accessLog(settings);
  return log === undefined ? [] : [log];
});

/**
 * The log of a listener: only connections that no filter chain took (flag NR), which no filter's log can show
 * (Istio, listener access log).
 */
export const listenerAccessLog = memoize((settings: MeshSettings): AccessLog[] => {
  if (settings.config.disableEnvoyListenerLog) return [];
  const log = accessLog(settings);
  return log === undefined ? [] : [{ ...log, filter: { response_flag_filter: { flags: ['NR'] } } }];
});

/**
 * Standard output and error have loggers of their own. Istio opens /dev/stdout as a file; that fails where it is a socket
 * (under systemd, or under a parent that reads it), and Envoy then refuses every listener.
 */
const streamLoggers: Readonly<Record<string, { name: string; type: string }>> = {
  '/dev/stdout': { name: 'stdout', type: 'StdoutAccessLog' },
  '/dev/stderr': { name: 'stderr', type: 'StderrAccessLog' },
};

function accessLog(settings: MeshSettings): AccessLog | undefined {
  const { accessLogFile: path, accessLogEncoding, accessLogFormat } = settings.config;
  if (path === undefined || path === '') return undefined;
  const format =
    accessLogEncoding === 'JSON' ? jsonFormat(accessLogFormat) : textFormat(accessLogFormat);
  const log_format = { ...format, ...formatters(format) };
  const stream = streamLoggers[path];
  const loggers = 'envoy.extensions.access_loggers';
  if (stream !== undefined) {
    return {
      name: `envoy.access_loggers.${stream.name}`,
      typed_config: any(`${loggers}.stream.v3.${stream.type}`, { log_format }),
    };
  }
  const file: FileAccessLog = { path, log_format };
  return {
    name: 'envoy.access_loggers.file',
    typed_config: any(`${loggers}.file.v3.FileAccessLog`, file),
  };
}

/** MeshConfig.accessLogFormat: a missing newline is added. */
function textFormat(format: string | undefined): SubstitutionFormatString {
  const text = format === undefined || format === '' ? DEFAULT_TEXT_FORMAT : format;
  return { text_format_source: { inline_string: text.endsWith('\n') ? text : `${text}\n` } };
}

/** MeshConfig.accessLogFormat with accessLogEncoding JSON: an object; the default where it is not one, as Istio. */
function jsonFormat(format: string | undefined): SubstitutionFormatString {
  const own = format === undefined || format === '' ? undefined : parseObject(format);
  return {
    json_format: struct(own ?? DEFAULT_JSON_FORMAT),
    json_format_options: { sort_properties: false },
  };
}

/** The one operator of formats that Envoy does not know without an extension (Istio adds it in the same way). */
function formatters(format: SubstitutionFormatString): SubstitutionFormatString {
  if (!JSON.stringify(format).includes('%REQ_WITHOUT_QUERY')) return {};
  const type = 'envoy.extensions.formatter.req_without_query.v3.ReqWithoutQuery';
  return {
    formatters: [{ name: 'envoy.formatter.req_without_query', typed_config: any(type, {}) }],
  };
}

function parseObject(text: string): { [key: string]: Json } | undefined {
  try {
    const parsed: unknown = JSON.parse(text);
    const isObject = typeof parsed === 'object' && parsed !== null && !Array.isArray(parsed);
    return isObject ? (parsed as { [key: string]: Json }) : undefined;
  } catch {
    return undefined;
  }
}
