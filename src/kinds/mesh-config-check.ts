// The rules of MeshConfig beyond its schema, after Istio's validation, for the fields that are in use and those
// whose mistakes are easily made. Istio fills defaults in first; here only what was written is looked at.
import type { Check, Findings } from './finding.js';
import { formatProblem } from './format-check.js';
import { checkRetries } from './http-route-check.js';
import { checkLocalityLb, checkZoneAwareLb } from './locality-check.js';
import type { MeshConfigSpec } from './mesh-config.js';
import { isAnyCaseLabel } from './names.js';
import type { FieldPath } from './problem.js';
import {
  checkConnectionPool,
  checkOutlierDetection,
  checkTcpKeepalive,
  checkTls,
} from './traffic-policy-check.js';
import { checkDuration, checkOneOf, checkSelector, report } from './value-check.js';

const providers = [
  'envoyExtAuthzHttp',
  'envoyExtAuthzGrpc',
  'zipkin',
  'lightstep',
  'datadog',
  'stackdriver',
  'opencensus',
  'skywalking',
  'opentelemetry',
  'prometheus',
  'envoyFileAccessLog',
  'envoyHttpAls',
  'envoyTcpAls',
  'envoyOtelAls',
  'sds',
] as const;

function checkTrustDomain(findings: Findings, path: FieldPath, domain: string): void {
  const labels = domain.endsWith('.') ? domain.slice(0, -1) : domain;
  if (labels.split('.').every(isAnyCaseLabel)) return;
  findings.invalid(path, `"${domain.slice(0, 80)}" is not a trust domain such as cluster.local`);
}

function checkProviders(spec: MeshConfigSpec, findings: Findings): void {
  const names = new Set<string>();
  for (const [index, provider] of (spec.extensionProviders ?? []).entries()) {
    const path = ['extensionProviders', index];
    if (names.has(provider.name)) {
      findings.warn([...path, 'name'], `two providers are named ${provider.name.slice(0, 60)}`);
    }
    names.add(provider.name);
    if (checkOneOf(findings, path, provider, providers).length === 0) {
      findings.warn(path, 'a provider must have a kind beside its name');
    }
  }
}

/** Istio takes what exportTo itself takes. */
function checkExportDefault(
  findings: Findings,
  field: string,
  exportTo: readonly string[] | undefined,
): void {
  for (const [index, entry] of (exportTo ?? []).entries()) {
    if (['.', '*', '~'].includes(entry) || isAnyCaseLabel(entry)) continue;
    findings.invalid([field, index], 'an entry is ., *, ~ or a namespace');
  }
}

/** The format of the access log: one text, or with JSON an object with texts at any depth. */
function checkLogFormat(
  { accessLogFormat, accessLogEncoding }: MeshConfigSpec,
  findings: Findings,
) {
  if (!accessLogFormat) return;
  const path = ['accessLogFormat'];
  if (accessLogEncoding !== 'JSON') {
    report(findings, path, formatProblem(accessLogFormat));
    return;
  }
  let format: unknown;
  try {
    format = JSON.parse(accessLogFormat);
  } catch {
    format = undefined;
  }
  if (typeof format !== 'object' || format === null || Array.isArray(format)) {
    findings.warn(path, 'it is not a JSON object, so that the format of Istio is used');
    return;
  }
  report(
    findings,
    path,
    textsIn(format)
      .map(formatProblem)
      .find((problem) => problem),
  );
}

function textsIn(value: unknown): string[] {
  if (typeof value === 'string') return [value];
  return typeof value === 'object' && value !== null ? Object.values(value).flatMap(textsIn) : [];
}

function checkVisibility({ serviceEntryVisibility }: MeshConfigSpec, findings: Findings): void {
  for (const [i, { matchingRules = [] }] of (serviceEntryVisibility?.policies ?? []).entries()) {
    const path = ['serviceEntryVisibility', 'policies', i, 'matchingRules'];
    for (const [j, { namespaceSelector }] of matchingRules.entries()) {
      checkSelector(findings, [...path, j, 'namespaceSelector'], namespaceSelector);
    }
  }
}

/** Retries of calls to the application: only attempts, retryOn and backoff count. */
function checkInboundRetries(
  findings: Findings,
  path: FieldPath,
  { defaultInboundHttpRetryPolicy: retries }: MeshConfigSpec,
): void {
  if (!retries) return;
  checkRetries(findings, path, retries);
  if (!retries.attempts && retries.backoff !== undefined) {
    findings.invalid([...path, 'backoff'], 'backoff is of no use with 0 attempts');
  }
  for (const field of [
    'perTryTimeout',
    'retryRemoteLocalities',
    'retryIgnorePreviousHosts',
  ] as const) {
    if (retries[field] === undefined) continue;
    findings.warn([...path, field], `${field} has no effect on calls to the application`);
  }
}

const windowMin = 65_535;

/** The least value of each setting that has one. */
const connectionMinima = {
  listenerPerConnectionBufferLimitBytes: 0,
  clusterPerConnectionBufferLimitBytes: 0,
  httpIdleTimeout: 0,
  httpMaxConnectionDuration: 0,
  httpDrainTimeout: 0,
  httpRequestTimeout: 0,
  httpRequestHeadersTimeout: 0,
  httpStreamIdleTimeout: 0,
  httpMaxStreamDuration: 0,
  httpMaxConcurrentStreams: 1,
  http2InitialStreamWindowSize: windowMin,
  http2InitialConnectionWindowSize: windowMin,
  listenerConnectionLimit: 1,
  globalDownstreamConnectionLimit: 1,
} as const;

function checkConnectionSettings(
  findings: Findings,
  path: FieldPath,
  settings: NonNullable<MeshConfigSpec['defaultConfig']>['connectionSettings'],
): void {
  for (const [name, min] of Object.entries(connectionMinima)) {
    const value = settings?.[name as keyof typeof connectionMinima];
    if (value === undefined || value >= min) continue;
    findings.invalid([...path, name], `${name} is at least ${min}`);
  }
}

/** Checks MeshConfig beyond its schema. */
export const checkMeshConfig: Check<MeshConfigSpec> = (spec, findings) => {
  checkLogFormat(spec, findings);
  checkDuration(findings, ['connectTimeout'], spec.connectTimeout);
  const connectMs = spec.connectTimeout ?? 1;
  if (connectMs > 3_600_000) findings.invalid(['connectTimeout'], 'connectTimeout is at most 1h');
  const detectMs = spec.protocolDetectionTimeout ?? 0;
  if (detectMs < 0 || !Number.isInteger(detectMs)) {
    findings.invalid(['protocolDetectionTimeout'], 'the timeout is 0s or whole milliseconds');
  }
  checkDuration(findings, ['dnsRefreshRate'], spec.dnsRefreshRate);
  checkTcpKeepalive(findings, ['tcpKeepalive'], spec.tcpKeepalive);
  const { mode, tls } = spec.outboundTrafficPolicy ?? {};
  checkTls(findings, ['outboundTrafficPolicy', 'tls'], tls);
  if (tls && mode !== 'ALLOW_ANY_DYNAMIC_DNS') {
    findings.warn(['outboundTrafficPolicy', 'tls'], 'tls is for mode ALLOW_ANY_DYNAMIC_DNS');
  }
  if (spec.trustDomain !== undefined) {
    checkTrustDomain(findings, ['trustDomain'], spec.trustDomain);
  }
  for (const [index, domain] of (spec.trustDomainAliases ?? []).entries()) {
    checkTrustDomain(findings, ['trustDomainAliases', index], domain);
  }
  if (spec.rootNamespace && !isAnyCaseLabel(spec.rootNamespace)) {
    findings.invalid(['rootNamespace'], 'a namespace is a DNS label');
  }
  checkExportDefault(findings, 'defaultServiceExportTo', spec.defaultServiceExportTo);
  checkExportDefault(findings, 'defaultVirtualServiceExportTo', spec.defaultVirtualServiceExportTo);
  checkExportDefault(
    findings,
    'defaultDestinationRuleExportTo',
    spec.defaultDestinationRuleExportTo,
  );
  const { defaultHttpRetryPolicy } = spec;
  checkRetries(findings, ['defaultHttpRetryPolicy'], defaultHttpRetryPolicy, { lenient: true });
  checkInboundRetries(findings, ['defaultInboundHttpRetryPolicy'], spec);
  checkLocalityLb(findings, ['localityLbSetting'], spec.localityLbSetting);
  checkZoneAwareLb(findings, ['zoneAwareLbSetting'], spec.zoneAwareLbSetting);
  const { connectionPool, outlierDetection } = spec.defaultTrafficPolicy ?? {};
  checkConnectionPool(findings, ['defaultTrafficPolicy', 'connectionPool'], connectionPool);
  checkOutlierDetection(findings, ['defaultTrafficPolicy', 'outlierDetection'], outlierDetection);
  const { connectionSettings } = spec.defaultConfig ?? {};
  checkConnectionSettings(findings, ['defaultConfig', 'connectionSettings'], connectionSettings);
  checkProviders(spec, findings);
  checkVisibility(spec, findings);
};
