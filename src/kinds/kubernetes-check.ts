// The rules of Kubernetes' kinds beyond their schemas, after the API server's own validation, as far as a mesh
// depends on them.
import type { EndpointSliceSpec } from './endpoint-slice.js';
import type { EndpointsSpec } from './endpoints.js';
import type { Check, Findings } from './finding.js';
import { hostProblem, isAddress, isDnsLabel } from './names.js';
import type { FieldPath } from './problem.js';
import type { ServiceSpec } from './service.js';
import { checkLabels } from './value-check.js';

interface NamedPort {
  name?: string;
  protocol?: string;
}

/** Ports are named when there are several, and no name stands twice. */
function checkPortNames(findings: Findings, path: FieldPath, ports: readonly NamedPort[]): void {
  const names = new Set<string>();
  for (const [index, { name = '' }] of ports.entries()) {
    const at = [...path, index, 'name'];
    if (name === '') {
      if (ports.length > 1) findings.missing(at, 'with several ports, each must have a name');
    } else if (!isDnsLabel(name)) findings.invalid(at, 'the name of a port is a DNS label');
    else if (names.has(name)) findings.invalid(at, `two ports are named ${name}`);
    names.add(name);
  }
}

/** Checks a Service beyond its schema. */
export const checkService: Check<ServiceSpec> = (spec, findings) => {
  const ports = spec.ports ?? [];
  checkPortNames(findings, ['ports'], ports);
  const seen = new Set<string>();
  for (const [index, { port, protocol = 'TCP', targetPort }] of ports.entries()) {
    const key = `${port}/${protocol}`;
    if (seen.has(key)) findings.invalid(['ports', index, 'port'], `port ${key} stands twice`);
    seen.add(key);
    const at = ['ports', index, 'targetPort'];
    if (typeof targetPort === 'number' && (targetPort < 1 || targetPort > 65535)) {
      findings.invalid(at, 'a port is from 1 to 65535');
    } else if (typeof targetPort === 'string' && !/^(?=.*[a-z])[a-z0-9-]{1,15}$/.test(targetPort)) {
      findings.invalid(
        at,
        'the name of a port has 1 to 15 of a-z, 0-9 and -; a number has no quotes',
      );
    }
  }
  const headless = (address: string): boolean => address === 'None' || address === '';
  if (spec.clusterIP !== undefined && !headless(spec.clusterIP) && !isAddress(spec.clusterIP)) {
    findings.invalid(['clusterIP'], 'clusterIP is an IP address or None');
  }
  for (const [index, address] of (spec.clusterIPs ?? []).entries()) {
    if (headless(address) || isAddress(address)) continue;
    findings.invalid(['clusterIPs', index], 'an entry is an IP address or None');
  }
  checkLabels(findings, ['selector'], spec.selector);
  if (spec.type === 'ExternalName') {
    const name = spec.externalName ?? '';
    if (name === '') findings.missing(['externalName'], 'externalName must be given');
    else if (hostProblem(name)) findings.invalid(['externalName'], `"${name}" is not a host name`);
  } else if (ports.length === 0 && !headless(spec.clusterIP ?? 'x')) {
    findings.missing(['ports'], 'ports must not be empty');
  }
};

/** Checks an EndpointSlice beyond its schema. */
export const checkEndpointSlice: Check<EndpointSliceSpec> = (spec, findings) => {
  for (const [index, port] of (spec.ports ?? []).entries()) {
    if (port.port !== undefined && (port.port < 1 || port.port > 65535)) {
      findings.invalid(['ports', index, 'port'], 'a port is from 1 to 65535');
    }
  }
  if (spec.addressType === 'FQDN') return;
  for (const [index, endpoint] of (spec.endpoints ?? []).entries()) {
    const path = ['endpoints', index, 'addresses'];
    if (endpoint.addresses.length === 0) findings.missing(path, 'addresses must not be empty');
    for (const [at, address] of endpoint.addresses.entries()) {
      const fits = isAddress(address) && address.includes(':') === (spec.addressType === 'IPv6');
      if (!fits) findings.invalid([...path, at], `not an address of ${spec.addressType}`);
    }
  }
};

/** Checks an Endpoints object beyond its schema. */
export const checkEndpoints: Check<EndpointsSpec> = (spec, findings) => {
  for (const [index, subset] of (spec.subsets ?? []).entries()) {
    const path = ['subsets', index];
    checkPortNames(findings, [...path, 'ports'], subset.ports ?? []);
    for (const field of ['addresses', 'notReadyAddresses'] as const) {
      for (const [at, { ip }] of (subset[field] ?? []).entries()) {
        if (!isAddress(ip)) findings.invalid([...path, field, at, 'ip'], 'ip is an IP address');
      }
    }
  }
};
