// The rules of Gateway beyond its schema, after Istio's validation.
import type { Check, Findings } from './finding.js';
import type { GatewayServerSpec, GatewaySpec } from './gateway.js';
import { isAddress, isDnsLabel, wildcardHostProblem } from './names.js';
import type { FieldPath } from './problem.js';
import { checkServerTls } from './server-tls-check.js';
import { didYouMean } from './suggest.js';
import { checkLabels } from './value-check.js';

/** What a server may speak to its clients. */
const protocols = ['HTTP', 'HTTPS', 'HTTP2', 'GRPC', 'GRPC-WEB', 'MONGO', 'TCP', 'TLS'];
const tlsProtocols = ['HTTPS', 'TLS'];

/** Checks a Gateway beyond its schema. */
export const checkGateway: Check<GatewaySpec> = ({ servers, selector }, findings) => {
  checkLabels(findings, ['selector'], selector);
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
      findings.invalid([...path, 'name'], `two servers are named ${server.name.slice(0, 63)}`);
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
  if (bind !== '' && !isAddress(bind) && !/^unix:\/\/[/@]/.test(bind)) {
    findings.invalid([...path, 'bind'], 'bind is an IP address or unix:///PATH');
  }
  if (hosts.length === 0) findings.missing([...path, 'hosts'], 'hosts must not be empty');
  for (const [i, host] of hosts.entries()) checkGatewayHost(findings, [...path, 'hosts', i], host);
  const wantsTls = tlsProtocols.includes(protocol);
  if (tls === undefined) {
    if (wantsTls) findings.missing([...path, 'tls'], `a server of ${port.protocol} needs tls`);
    return;
  }
  const at = [...path, 'tls'];
  // With httpsRedirect alone, and nothing else, there is no TLS to set up.
  if (wantsTls) checkServerTls(findings, at, tls);
  else if (tls.mode && tls.mode !== 'PASSTHROUGH') {
    findings.warn(at, `TLS is not terminated on a port of protocol ${port.protocol}`);
  }
  if (tls.httpsRedirect && wantsTls) {
    findings.warn([...at, 'httpsRedirect'], 'a redirect is for a port of plain HTTP');
  }
}

/** `HOST` or `NAMESPACE/HOST`. */
function checkGatewayHost(findings: Findings, path: FieldPath, entry: string): void {
  const parts = entry.split('/');
  if (parts.length > 2) {
    findings.invalid(path, `"${entry.slice(0, 80)}" is neither HOST nor NAMESPACE/HOST`);
    return;
  }
  const [namespace, host = ''] = parts.length === 2 ? parts : ['*', parts[0]];
  if (namespace !== '*' && namespace !== '.' && !isDnsLabel(namespace ?? '')) {
    findings.invalid(path, 'the namespace is a DNS label, `.` or `*`');
  }
  const why = host === '*' ? undefined : wildcardHostProblem(host);
  if (why) findings.invalid(path, why);
}
