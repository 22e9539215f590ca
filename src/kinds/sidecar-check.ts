// The rules of Sidecar beyond its schema, after Istio's validation.
import { isIP } from 'node:net';
import type { Check, Findings } from './finding.js';
import { checkDestination } from './http-route-check.js';
import {
  hostProblem,
  isAnyCaseLabel,
  isPartialWildcard,
  unixAddressProblem,
  wildcardHostProblem,
} from './names.js';
import type { FieldPath } from './problem.js';
import { checkSelectorLabels } from './selector-check.js';
import { checkCrl, checkTlsParameters } from './server-tls-check.js';
import { checkProtocol } from './service-entry-check.js';
import type { SidecarSpec } from './sidecar.js';
import type { SidecarTlsSettings } from './sidecar-tls.js';
import { checkConnectionPool } from './traffic-policy-check.js';
import { report } from './value-check.js';

type Ingress = NonNullable<SidecarSpec['ingress']>[number];
type Egress = NonNullable<SidecarSpec['egress']>[number];

/** Checks a Sidecar beyond its schema. */
export const checkSidecar: Check<SidecarSpec> = (spec, findings, { namespace }) => {
  const { workloadSelector, ingress = [], egress = [] } = spec;
  checkSelectorLabels(findings, ['workloadSelector', 'labels'], workloadSelector?.labels);
  if (workloadSelector && Object.keys(workloadSelector.labels ?? {}).length === 0) {
    findings.warn(['workloadSelector'], 'a selector without labels is for the whole namespace');
  }
  const { inboundConnectionPool, outboundTrafficPolicy } = spec;
  if (!ingress.length && !egress.length && !inboundConnectionPool && !outboundTrafficPolicy) {
    findings.missing(
      [],
      'one of ingress, egress, inboundConnectionPool and outboundTrafficPolicy must be given',
    );
  }
  checkConnectionPool(findings, ['inboundConnectionPool'], inboundConnectionPool);
  checkIngress(findings, ingress);
  checkEgress(findings, egress, namespace);
  checkOutboundTrafficPolicy(findings, outboundTrafficPolicy);
};

function checkIngress(findings: Findings, ingress: readonly Ingress[]): void {
  const numbers = new Set<number>();
  for (const [i, entry] of ingress.entries()) {
    const { port, defaultEndpoint, bind, connectionPool, tls } = entry;
    const path = ['ingress', i];
    checkPort(findings, [...path, 'port'], port);
    if (numbers.has(port.number)) {
      findings.invalid([...path, 'port', 'number'], `port ${port.number} stands twice`);
    }
    numbers.add(port.number);
    if (bind && isIP(bind) === 0) findings.invalid([...path, 'bind'], 'bind is an IP address');
    if (defaultEndpoint && parseDefaultEndpoint(defaultEndpoint) === undefined) {
      findings.invalid(
        [...path, 'defaultEndpoint'],
        'an endpoint is 127.0.0.1:PORT, [::1]:PORT, 0.0.0.0:PORT, [::]:PORT, :PORT or unix:///PATH',
      );
    }
    if (callsItself(entry)) {
      const message = `the application would be called at ${bind}:${port.number}, which is the listener itself`;
      if (entry.captureMode === 'NONE') findings.invalid([...path, 'bind'], message);
      else findings.warn([...path, 'bind'], `without interception ${message}`);
    }
    checkConnectionPool(findings, [...path, 'connectionPool'], connectionPool);
    if (connectionPool?.http && !isHttp(port.protocol) && !tls) {
      findings.warn([...path, 'connectionPool', 'http'], 'http counts on HTTP ports only');
    }
    if (tls) checkIngressTls(findings, [...path, 'tls'], { tls, protocol: port.protocol });
  }
}

/** A listener at a loopback address or the wildcard, and the application at the same port there. */
function callsItself({ port, bind, captureMode, defaultEndpoint = '' }: Ingress): boolean {
  if (!bind || captureMode === 'IPTABLES') return false;
  const at = defaultEndpoint === '' ? undefined : parseDefaultEndpoint(defaultEndpoint);
  if (at && 'unixSocket' in at) return false;
  const loopback = bind.includes(':') ? '::1' : '127.0.0.1';
  const address = at === undefined ? loopback : at.address;
  const everywhere = bind === '0.0.0.0' || bind === '::';
  return (at?.port ?? port.number) === port.number && (everywhere || address === bind);
}

const isHttp = (protocol = '') => /^(http|http2|http_proxy|grpc|grpc-web)$/i.test(protocol);

const unsupportedTls = [
  'subjectAltNames',
  'httpsRedirect',
  'credentialName',
  'credentialNames',
  'tlsCertificates',
] as const;

/** TLS that a sidecar terminates has its certificates in files, and is for ports of HTTPS or TLS. */
function checkIngressTls(
  findings: Findings,
  path: FieldPath,
  { tls, protocol = '' }: { tls: SidecarTlsSettings; protocol: string | undefined },
): void {
  for (const field of unsupportedTls) {
    const value = tls[field];
    const set = Array.isArray(value) ? value.length > 0 : Boolean(value);
    if (set) findings.invalid([...path, field], `a Sidecar has no ${field}`);
  }
  const { mode = 'PASSTHROUGH' } = tls;
  const clients = mode === 'MUTUAL' || mode === 'OPTIONAL_MUTUAL';
  if (mode === 'PASSTHROUGH') {
    findings.warn(
      path,
      'PASSTHROUGH, the mode when absent, does not terminate TLS: tls is not used',
    );
  } else if (mode !== 'SIMPLE' && !clients) {
    findings.invalid([...path, 'mode'], `the mode of a Sidecar's TLS is not ${mode}`);
  }
  if (!/^(https|tls)$/i.test(protocol)) {
    findings.invalid(path, 'TLS is for ports of protocol HTTPS or TLS');
  }
  if (mode !== 'SIMPLE' && !clients) return;
  for (const field of ['serverCertificate', 'privateKey'] as const) {
    if (!tls[field]) findings.missing([...path, field], `${mode} needs ${field}`);
  }
  if (clients && !tls.caCertificates) {
    findings.missing([...path, 'caCertificates'], `${mode} needs caCertificates`);
  }
  checkCrl(findings, path, tls);
  checkTlsParameters(findings, path, tls);
}

/** The parts of a defaultEndpoint; an empty address is the one that was called. Undefined: it is none. */
export function parseDefaultEndpoint(
  text: string,
): { unixSocket: string } | { address: string; port: number } | undefined {
  if (text.startsWith('unix://')) {
    return unixAddressProblem(text) ? undefined : { unixSocket: text.slice('unix://'.length) };
  }
  const [, host = '', digits = ''] =
    /^(|127\.0\.0\.1|0\.0\.0\.0|\[::1?\]):(\d{1,5})$/.exec(text) ?? [];
  const port = Number(digits);
  if (digits === '' || port < 1 || port > 65_535) return undefined;
  const address = host === '127.0.0.1' ? host : host === '[::1]' ? '::1' : '';
  return { address, port };
}

function checkEgress(findings: Findings, egress: readonly Egress[], namespace: string): void {
  const numbers = new Set<number>();
  const sockets = new Set<string>();
  for (const [i, { port, hosts = [], bind = '', captureMode }] of egress.entries()) {
    const path = ['egress', i];
    if (port === undefined) {
      if (i < egress.length - 1) findings.invalid(path, 'an entry without a port must be the last');
      if (bind && isIP(bind) === 0) {
        findings.invalid([...path, 'bind'], 'without a port, bind is an IP address');
      }
    } else {
      checkPort(findings, [...path, 'port'], port);
      if (!port.number) {
        checkUnixSocket(findings, path, { bind, captureMode });
        if (sockets.has(bind)) findings.invalid([...path, 'bind'], `${bind} stands twice`);
        sockets.add(bind);
      } else {
        if (bind && isIP(bind) === 0) findings.invalid([...path, 'bind'], 'bind is an IP address');
        if (numbers.has(port.number)) {
          findings.invalid([...path, 'port', 'number'], `port ${port.number} stands twice`);
        }
        numbers.add(port.number);
        if (port.number > 65_535) {
          findings.invalid([...path, 'port', 'number'], 'a port is at most 65535');
        }
      }
    }
    if (hosts.length === 0) findings.missing([...path, 'hosts'], 'hosts must not be empty');
    checkEgressHosts(findings, [...path, 'hosts'], { hosts, namespace });
  }
}

function checkUnixSocket(
  findings: Findings,
  path: FieldPath,
  { bind, captureMode }: { bind: string; captureMode: string | undefined },
): void {
  if (bind.startsWith('unix:')) report(findings, [...path, 'bind'], unixAddressProblem(bind));
  else findings.invalid([...path, 'bind'], 'without a port number, bind is unix:///PATH');
  if (captureMode === 'IPTABLES') {
    findings.invalid([...path, 'captureMode'], 'what goes to a Unix socket cannot be captured');
  }
}

function checkEgressHosts(
  findings: Findings,
  path: FieldPath,
  { hosts, namespace }: { hosts: readonly string[]; namespace: string },
): void {
  const seen = new Set<string>();
  for (const [i, entry] of hosts.entries()) {
    const [owner = '', host, ...rest] = entry.split('/');
    const at = [...path, i];
    if (host === undefined || rest.length > 0) {
      findings.invalid(at, `"${entry.slice(0, 80)}" is not NAMESPACE/HOST`);
      continue;
    }
    const name = owner.startsWith('~') ? owner.slice(1) : owner;
    const anyNamespace = ['', '.', '*'].includes(name) && (name !== '' || owner === '~');
    if (!anyNamespace && !isAnyCaseLabel(name)) {
      findings.invalid(at, 'the namespace is a DNS label, `.` or `*`, with ~ in front to exclude');
    }
    const partial = isPartialWildcard(host)
      ? 'a wildcard stands for whole labels: *.example.com'
      : undefined;
    const why = host === '*' ? undefined : (wildcardHostProblem(host) ?? partial);
    if (why) findings.invalid(at, why);
    const key = `${owner === '.' ? namespace : owner}/${host}`;
    if (seen.has(key)) findings.warn(at, `${entry} stands twice`);
    seen.add(key);
  }
  for (const [i, entry] of hosts.entries()) {
    const [owner = '', host] = entry.split('/');
    const all = `${owner === '.' ? namespace : owner}/*`;
    if (host !== '*' && !owner.startsWith('~') && all !== '*/*' && seen.has(all)) {
      findings.warn([...path, i], `${owner}/* includes ${entry}`);
    }
  }
  if (seen.has('*/*') && [...seen].some((key) => key !== '*/*' && !key.startsWith('~'))) {
    findings.warn(path, '*/* includes all the others');
  }
}

function checkPort(
  findings: Findings,
  path: FieldPath,
  { name, protocol }: { name?: string; protocol?: string },
): void {
  if (name && !isAnyCaseLabel(name)) {
    findings.invalid([...path, 'name'], 'the name of a port is a DNS label');
  }
  checkProtocol(findings, [...path, 'protocol'], protocol);
}

function checkOutboundTrafficPolicy(
  findings: Findings,
  policy: SidecarSpec['outboundTrafficPolicy'],
): void {
  const proxy = policy?.egressProxy;
  if (!proxy) return;
  const path = ['outboundTrafficPolicy', 'egressProxy'];
  if (policy.mode !== 'ALLOW_ANY') {
    findings.invalid(path, 'an egressProxy is for mode ALLOW_ANY');
  }
  const why = hostProblem(proxy.host);
  if (why) findings.invalid([...path, 'host'], why);
  if (!proxy.port) findings.missing([...path, 'port'], 'the port of an egressProxy must be given');
  checkDestination(findings, path, proxy);
}
