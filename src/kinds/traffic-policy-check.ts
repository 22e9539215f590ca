// The rules of a traffic policy and of its parts, after Istio's validation. MeshConfig shares the parts.
import type { Findings } from './finding.js';
import { matchHeaderProblem } from './header-check.js';
import { checkLocalityLb, checkZoneAwareLb } from './locality-check.js';
import { hostProblem, isAddress } from './names.js';
import type { FieldPath } from './problem.js';
import type {
  ClientTlsSettings,
  ConnectionPool,
  ConsistentHash,
  LoadBalancer,
  OutlierDetection,
  PortTrafficPolicy,
  TcpKeepalive,
  TrafficPolicy,
} from './traffic-policy.js';
import { checkDuration, checkDurationOrZero, checkOneOf } from './value-check.js';

/** Checks outlier detection. */
export function checkOutlierDetection(
  findings: Findings,
  path: FieldPath,
  outlier: OutlierDetection | undefined,
): void {
  if (!outlier) return;
  checkDuration(findings, [...path, 'baseEjectionTime'], outlier.baseEjectionTime);
  checkDuration(findings, [...path, 'interval'], outlier.interval);
  if (outlier.consecutiveLocalOriginFailures && !outlier.splitExternalLocalOriginErrors) {
    const text = 'consecutiveLocalOriginFailures needs splitExternalLocalOriginErrors: true';
    findings.invalid([...path, 'consecutiveLocalOriginFailures'], text);
  }
}

/** Checks TCP keepalive. */
export function checkTcpKeepalive(
  findings: Findings,
  path: FieldPath,
  keepalive: TcpKeepalive | undefined,
): void {
  checkDuration(findings, [...path, 'time'], keepalive?.time);
  checkDuration(findings, [...path, 'interval'], keepalive?.interval);
}

/** Checks a connection pool. */
export function checkConnectionPool(
  findings: Findings,
  path: FieldPath,
  pool: ConnectionPool | undefined,
): void {
  if (!pool) return;
  const { tcp, http } = pool;
  if (!tcp && !http) findings.missing(path, 'a connectionPool must have tcp or http');
  if (tcp) {
    const at = [...path, 'tcp'];
    checkDuration(findings, [...at, 'connectTimeout'], tcp.connectTimeout);
    checkDuration(findings, [...at, 'maxConnectionDuration'], tcp.maxConnectionDuration);
    checkDurationOrZero(findings, [...at, 'idleTimeout'], tcp.idleTimeout);
    checkTcpKeepalive(findings, [...at, 'tcpKeepalive'], tcp.tcpKeepalive);
  }
  if (!http) return;
  const at = [...path, 'http'];
  checkDuration(findings, [...at, 'idleTimeout'], http.idleTimeout);
  if (http.h2UpgradePolicy === 'UPGRADE' && http.useClientProtocol) {
    const text = 'useClientProtocol and h2UpgradePolicy UPGRADE exclude each other';
    findings.invalid([...at, 'useClientProtocol'], text);
  }
  if (!http.http2KeepAlive) return;
  for (const field of ['interval', 'timeout'] as const) {
    const here = [...at, 'http2KeepAlive', field];
    const value = http.http2KeepAlive[field];
    if (value === undefined) findings.missing(here, `${field} must be given`);
    else checkDuration(findings, here, value);
  }
}

/** A prime, as Envoy's Maglev wants its table; beyond the limit of its size no answer is needed. */
function isPrime(n: number): boolean {
  if (n < 4) return n > 1;
  if (n % 2 === 0) return false;
  for (let factor = 3; factor * factor <= n; factor += 2) if (n % factor === 0) return false;
  return true;
}

/** Envoy's limit on Maglev tables, itself a prime. */
const maglevTableMax = 5_000_011;

/** Envoy's limit on hash rings. */
const ringSizeMax = 8_388_608;

function checkConsistentHash(
  findings: Findings,
  path: FieldPath,
  hash: ConsistentHash | undefined,
): void {
  if (!hash) return;
  const keys = ['httpHeaderName', 'httpCookie', 'useSourceIp', 'httpQueryParameterName'] as const;
  const set = checkOneOf(findings, path, hash, keys);
  if (set.length === 0) {
    findings.warn(path, `without one of ${keys.join(', ')} requests are spread at random`);
  }
  if (hash.httpHeaderName) {
    const problem = matchHeaderProblem(hash.httpHeaderName);
    if (problem) findings.invalid([...path, 'httpHeaderName'], problem);
  }
  checkOneOf(findings, path, hash, ['ringHash', 'maglev']);
  for (const at of [['minimumRingSize'], ['ringHash', 'minimumRingSize']] as const) {
    const size = at.length === 1 ? hash.minimumRingSize : hash.ringHash?.minimumRingSize;
    if (size && size > ringSizeMax) {
      findings.invalid([...path, ...at], `minimumRingSize is at most ${ringSizeMax}`);
    }
  }
  if (hash.minimumRingSize) {
    findings.deprecated([...path, 'minimumRingSize'], 'ringHash.minimumRingSize');
    if (hash.ringHash || hash.maglev) {
      const conflict = 'minimumRingSize and ringHash or maglev exclude each other';
      findings.invalid([...path, 'minimumRingSize'], conflict);
    }
  }
  if (hash.maglev) {
    const { tableSize } = hash.maglev;
    const at = [...path, 'maglev', 'tableSize'];
    if (!tableSize) findings.missing(at, 'tableSize must be given');
    else if (tableSize > maglevTableMax) {
      findings.invalid(at, `tableSize is at most ${maglevTableMax}`);
    } else if (!isPrime(tableSize)) findings.invalid(at, 'tableSize must be a prime number');
  }
  const { httpCookie } = hash;
  if (!httpCookie) return;
  if (httpCookie.name === '') {
    findings.missing([...path, 'httpCookie', 'name'], 'the cookie must have a name');
  }
  const names = new Set<string>();
  for (const [index, { name }] of (httpCookie.attributes ?? []).entries()) {
    const at = [...path, 'httpCookie', 'attributes', index, 'name'];
    if (name === '') findings.missing(at, 'the attribute must have a name');
    else if (names.has(name)) findings.invalid(at, `there are two attributes ${name}`);
    names.add(name);
  }
}

function checkLoadBalancer(
  findings: Findings,
  path: FieldPath,
  balancer: LoadBalancer | undefined,
): void {
  if (!balancer) return;
  checkOneOf(findings, path, balancer, ['simple', 'consistentHash']);
  checkOneOf(findings, path, balancer, ['localityLbSetting', 'zoneAwareLbSetting']);
  checkConsistentHash(findings, [...path, 'consistentHash'], balancer.consistentHash);
  checkLocalityLb(findings, [...path, 'localityLbSetting'], balancer.localityLbSetting);
  checkZoneAwareLb(findings, [...path, 'zoneAwareLbSetting'], balancer.zoneAwareLbSetting);
  checkDuration(findings, [...path, 'warmupDurationSecs'], balancer.warmupDurationSecs);
  if (balancer.warmupDurationSecs !== undefined) {
    findings.deprecated([...path, 'warmupDurationSecs'], 'warmup.duration');
  }
  const { warmup } = balancer;
  if (!warmup) return;
  checkDuration(findings, [...path, 'warmup', 'duration'], warmup.duration);
  const { minimumPercent = 0, aggression = 1 } = warmup;
  if (minimumPercent < 0 || minimumPercent > 100) {
    findings.invalid([...path, 'warmup', 'minimumPercent'], 'minimumPercent is from 0 to 100');
  }
  if (aggression <= 0) {
    findings.invalid([...path, 'warmup', 'aggression'], 'aggression must be more than 0');
  }
}

/** Checks TLS towards a service. */
export function checkTls(
  findings: Findings,
  path: FieldPath,
  tls: ClientTlsSettings | undefined,
): void {
  if (!tls) return;
  const files = ['clientCertificate', 'privateKey', 'caCertificates', 'caCrl'] as const;
  const wants = tls.mode === 'SIMPLE' || tls.mode === 'MUTUAL';
  if (tls.mode === 'ISTIO_MUTUAL') {
    for (const field of [...files, 'credentialName'] as const) {
      if (tls[field]) findings.warn([...path, field], `with ISTIO_MUTUAL, ${field} has no effect`);
    }
  }
  if (wants && tls.insecureSkipVerify) {
    for (const field of ['caCertificates', 'subjectAltNames', 'credentialName'] as const) {
      // With MUTUAL the Secret may be there for the own certificate alone.
      if (tls[field]?.length && (field !== 'credentialName' || tls.mode === 'SIMPLE')) {
        findings.invalid([...path, field], `${field} and insecureSkipVerify exclude each other`);
      }
    }
  }
  if (wants && tls.credentialName) {
    for (const field of files) {
      if (tls[field]) {
        findings.invalid([...path, field], `${field} and credentialName exclude each other`);
      }
    }
    return;
  }
  if (tls.mode !== 'MUTUAL') return;
  for (const field of ['clientCertificate', 'privateKey'] as const) {
    if (!tls[field]) findings.missing([...path, field], `MUTUAL needs ${field}`);
  }
}

const sections = ['loadBalancer', 'connectionPool', 'outlierDetection', 'tls'] as const;

function checkSections(
  findings: Findings,
  path: FieldPath,
  policy: TrafficPolicy | PortTrafficPolicy,
): void {
  checkOutlierDetection(findings, [...path, 'outlierDetection'], policy.outlierDetection);
  checkConnectionPool(findings, [...path, 'connectionPool'], policy.connectionPool);
  checkLoadBalancer(findings, [...path, 'loadBalancer'], policy.loadBalancer);
  checkTls(findings, [...path, 'tls'], policy.tls);
}

/** Checks the traffic policy of a host or of a subset. */
export function checkTrafficPolicy(
  findings: Findings,
  path: FieldPath,
  policy: TrafficPolicy | undefined,
): void {
  if (!policy) return;
  const empty = Object.values(policy).every((value) => Array.isArray(value) && value.length === 0);
  if (empty) findings.missing(path, 'a trafficPolicy must not be empty');
  checkSections(findings, path, policy);
  const ports = new Set<number>();
  for (const [index, settings] of (policy.portLevelSettings ?? []).entries()) {
    const at = [...path, 'portLevelSettings', index];
    const number = settings.port?.number;
    if (!settings.port) findings.missing([...at, 'port'], 'port must be given');
    else if (number === undefined) {
      findings.warn([...at, 'port'], 'without a number the settings are of no port');
    } else if (ports.has(number)) {
      findings.warn([...at, 'port', 'number'], `port ${number} stands twice; the first counts`);
    }
    if (number !== undefined) ports.add(number);
    if (sections.every((section) => settings[section] === undefined)) {
      findings.missing(at, `settings of a port must have one of ${sections.join(', ')}`);
    }
    checkSections(findings, at, settings);
  }
  const interval = policy.retryBudget?.budgetInterval;
  checkDurationOrZero(findings, [...path, 'retryBudget', 'budgetInterval'], interval);
  checkOneOf(findings, path, policy, ['tunnel', 'proxyProtocol']);
  const { tunnel } = policy;
  if (!tunnel) return;
  if (tunnel.protocol && tunnel.protocol !== 'CONNECT' && tunnel.protocol !== 'POST') {
    findings.invalid([...path, 'tunnel', 'protocol'], 'the protocol is CONNECT or POST');
  }
  if (!isAddress(tunnel.targetHost) && hostProblem(tunnel.targetHost)) {
    findings.invalid([...path, 'tunnel', 'targetHost'], 'targetHost is a host name or IP address');
  }
}
