// The rules of Gateway beyond its schema, after Istio's validation.
import type { Check, Findings } from './finding.js';
import type { GatewayServerSpec, GatewaySpec } from './gateway.js';
import {
  isAddress,
  isAnyCaseLabel,
  isPartialWildcard,
  unixAddressProblem,
  wildcardHostProblem,
} from './names.js';
import type { FieldPath } from './problem.js';
import { warnOfLabels } from './selector-check.js';
import { checkServerTls } from './server-tls-check.js';
import { didYouMean } from './suggest.js';
import { report } from './value-check.js';

/** What a server may speak to its clients. */
const protocols = [
  'HTTP',
  'HTTPS',
  'HTTP2',
  'GRPC',
  'GRPC-WEB',
  'MONGO',
  'MYSQL',
  'REDIS',
  'TCP',
  'TLS',
];
const tlsProtocols = ['HTTPS', 'TLS'];
/** Where `tls` may say that requests are redirected to HTTPS, and nothing else. */
const redirectProtocols = ['HTTP', 'HTTP2', 'GRPC', 'GRPC-WEB'];
const files = ['serverCertificate', 'privateKey', 'caCertificates'] as const;

/** Checks a Gateway beyond its schema. */
export const checkGateway: Check<GatewaySpec> = ({ servers, selector }, findings) => {
  warnOfLabels(findings, ['selector'], selector);
  if (servers.length === 0) findings.missing(['servers'], 'servers must not be empty');
  const names = new Set<string>();
  for (const [i, server] of servers.entries()) {
    const path = ['servers', i];
    checkServer(findings, path, server);
    const name = server.port.name;
    if (names.has(name)) {
      findings.invalid([...path, 'port', 'name'], `two ports are named ${name.slice(0, 63)}`);
    }
    names.add(name);
    if (server.name && servers.slice(0, i).some((other) => other.name === server.name)) {
      findings.warn([...path, 'name'], `two servers are named ${server.name.slice(0, 63)}`);
    }
  }
};

function checkServer(findings: Findings, path: FieldPath, server: GatewayServerSpec): void {
  const { port, bind = '', hosts, tls } = server;
  const protocol = port.protocol.toUpperCase();
  if (port.name === '') findings.missing([...path, 'port', 'name'], 'a port must have a name');
  if (!protocols.includes(protocol)) {
    const hint = didYouMean(port.protocol, protocols);
    const what = `"${port.protocol.slice(0, 60)}" is not a protocol of a gateway`;
    findings.invalid([...path, 'port', 'protocol'], `${what}${hint}`);
  }
  if (bind.startsWith('unix:')) report(findings, [...path, 'bind'], unixAddressProblem(bind));
  else if (port.number === 0) {
    findings.invalid([...path, 'port', 'number'], 'port 0 is for Unix sockets');
  }
  if (!bind.startsWith('unix:') && bind !== '' && !isAddress(bind)) {
    findings.invalid([...path, 'bind'], 'bind is an IP address or unix:///PATH');
  }
  if (hosts.length === 0) findings.missing([...path, 'hosts'], 'hosts must not be empty');
  const wantsTls = tlsProtocols.includes(protocol);
  for (const [i, host] of hosts.entries()) {
    checkGatewayHost(findings, [...path, 'hosts', i], host);
  }
  if (tls === undefined) {
    if (wantsTls) findings.missing([...path, 'tls'], `a server of ${port.protocol} needs tls`);
    return;
  }
  const at = [...path, 'tls'];
  if (wantsTls || isUnused(protocol, tls)) checkServerTls(findings, at, tls);
  else if (protocols.includes(protocol)) {
    // Else what is meant to be TLS would be served in plain text.
    const why = `a server of ${port.protocol} has no TLS; that is for protocol HTTPS or TLS`;
    findings.invalid(at, why);
  }
  if (tls.httpsRedirect && wantsTls) {
    findings.warn([...at, 'httpsRedirect'], 'a redirect is for a port of plain HTTP');
  }
}

/** On plain HTTP `tls` may be there for its redirect; what else it says must not ask for TLS to end here. */
function isUnused(protocol: string, tls: NonNullable<GatewayServerSpec['tls']>): boolean {
  return (
    redirectProtocols.includes(protocol) &&
    (tls.mode ?? 'PASSTHROUGH').endsWith('PASSTHROUGH') &&
    files.every((field) => !tls[field])
  );
}

/** `HOST` or `NAMESPACE/HOST`. */
function checkGatewayHost(findings: Findings, path: FieldPath, entry: string): void {
  const parts = entry.split('/');
  if (parts.length > 2) {
    findings.invalid(path, `"${entry.slice(0, 80)}" is neither HOST nor NAMESPACE/HOST`);
    return;
  }
  const [namespace, host = ''] = parts.length === 2 ? parts : ['*', parts[0]];
  if (namespace !== '*' && namespace !== '.' && !isAnyCaseLabel(namespace ?? '')) {
    findings.invalid(path, 'the namespace is a DNS label, `.` or `*`');
  }
  const why = host === '*' || isAddress(host) ? undefined : wildcardHostProblem(host);
  if (why) findings.invalid(path, why);
  else if (isPartialWildcard(host)) {
    findings.invalid(path, 'a wildcard stands for whole labels: *.example.com');
  }
}
