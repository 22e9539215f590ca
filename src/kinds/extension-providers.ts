// The extensionProviders of MeshConfig: services for authorization, traces, metrics and logs, which policies and
// Telemetry name. None is acted on yet; the mark stands on the field of MeshConfig.
import { z } from 'zod';
import { enumeration, list, message, named } from './schema.js';
import {
  bool,
  duration,
  int32,
  port,
  string,
  stringMap,
  strings,
  struct,
  uint32,
} from './values.js';

const int64 = named('integer', z.int());
const address = { service: string, port };
const httpHeader = message({ name: string, value: string, envName: string });
const httpService = message({ path: string, timeout: duration, headers: list(httpHeader) });
const logFormat = message({ text: string, labels: struct });

const requestBody = message({
  maxRequestBytes: uint32,
  allowPartialMessage: bool,
  packAsBytes: bool,
});

const extAuthzCommon = {
  ...address,
  timeout: duration,
  failOpen: bool,
  clearRouteCache: bool,
  statusOnError: string,
  includeRequestBodyInCheck: requestBody,
};

const openTelemetry = message({
  ...address,
  maxTagLength: uint32,
  http: httpService,
  grpc: message({ timeout: duration, initialMetadata: list(httpHeader) }),
  resourceDetectors: message({ environment: message({}), dynatrace: message({}) }),
  serviceAttributeEnrichment: enumeration(['ISTIO_CANONICAL', 'OTEL_SEMANTIC_CONVENTIONS']),
  dynatraceSampler: message({
    tenant: string,
    clusterId: int32,
    rootSpansPerMinute: uint32,
    httpService: message({ ...address, http: httpService }),
  }),
});

/** One provider: its name and one of the others. */
export const extensionProvider = message(
  {
    name: string.describe('name by which policies and Telemetry refer to it'),
    envoyExtAuthzHttp: message({
      ...extAuthzCommon,
      pathPrefix: string,
      includeHeadersInCheck: strings,
      includeRequestHeadersInCheck: strings,
      includeAdditionalHeadersInCheck: stringMap,
      headersToUpstreamOnAllow: strings,
      headersToDownstreamOnDeny: strings,
      headersToDownstreamOnAllow: strings,
    }).describe('authorization over HTTP'),
    envoyExtAuthzGrpc: message(extAuthzCommon).describe('authorization over gRPC'),
    zipkin: message({
      ...address,
      maxTagLength: uint32,
      enable64bitTraceId: bool,
      path: string,
      traceContextOption: enumeration(['USE_B3', 'USE_B3_WITH_W3C_PROPAGATION']),
      timeout: duration,
      headers: list(httpHeader),
    }).describe('traces to Zipkin'),
    lightstep: message({ ...address, accessToken: string, maxTagLength: uint32 }),
    datadog: message({ ...address, maxTagLength: uint32 }),
    stackdriver: message({
      debug: bool,
      maxNumberOfAttributes: int64,
      maxNumberOfAnnotations: int64,
      maxNumberOfMessageEvents: int64,
      maxTagLength: uint32,
      logging: message({ labels: stringMap }),
    }),
    opencensus: message({
      ...address,
      context: list(
        enumeration(['UNSPECIFIED', 'W3C_TRACE_CONTEXT', 'GRPC_BIN', 'CLOUD_TRACE_CONTEXT', 'B3']),
      ),
      maxTagLength: uint32,
    }),
    skywalking: message({ ...address, accessToken: string }).describe('traces to SkyWalking'),
    opentelemetry: openTelemetry.describe('traces by OpenTelemetry'),
    prometheus: message({}).describe('metrics'),
    envoyFileAccessLog: message({ path: string, logFormat, omitEmptyValues: bool }).describe(
      'access log to a file',
    ),
    envoyHttpAls: message({
      ...address,
      logName: string,
      filterStateObjectsToLog: strings,
      additionalRequestHeadersToLog: strings,
      additionalResponseHeadersToLog: strings,
      additionalResponseTrailersToLog: strings,
    }).describe('access log of HTTP by gRPC'),
    envoyTcpAls: message({
      ...address,
      logName: string,
      filterStateObjectsToLog: strings,
    }).describe('access log of TCP by gRPC'),
    envoyOtelAls: message({ ...address, logName: string, logFormat }).describe(
      'access log by OpenTelemetry',
    ),
    sds: message({ name: string, ...address }).describe('server of secrets'),
  },
  'name',
);
