// The rules of ServiceEntry beyond its schema, after Istio's validation.
import type { Check, Findings } from './finding.js';
import { hostProblem, isAddressOrBlock, isAnyCaseLabel } from './names.js';
import type { FieldPath } from './problem.js';
import { checkSelectorLabels } from './selector-check.js';
import type { ServiceEntrySpec } from './service-entry.js';
import { didYouMean } from './suggest.js';
import { checkExportTo, checkHost } from './value-check.js';
import { checkEndpoint } from './workload-entry-check.js';

const protocols = [
  'TCP',
  'UDP',
  'GRPC',
  'GRPC-WEB',
  'HTTP',
  'HTTP_PROXY',
  'HTTP2',
  'HTTPS',
  'TLS',
  'MONGO',
  'REDIS',
  'MYSQL',
];
/** Protocols whose connections name the host: by the request, or by SNI. */
const namingHosts = new Set(['GRPC', 'GRPC-WEB', 'HTTP', 'HTTP_PROXY', 'HTTP2', 'HTTPS', 'TLS']);
const dynamicProtocols = new Set(['HTTP', 'TLS', 'GRPC', 'HTTP2']);

function checkHosts(spec: ServiceEntrySpec, findings: Findings): void {
  if (spec.hosts.length === 0) findings.missing(['hosts'], 'hosts must not be empty');
  for (const [index, host] of spec.hosts.entries()) {
    const path = ['hosts', index];
    if (host === '*') findings.invalid(path, 'the host must not be *');
    else checkHost(findings, path, host, 'wildcard');
    const partial = host.startsWith('*') && host !== '*' && !host.startsWith('*.');
    if (partial && spec.resolution !== 'DYNAMIC_DNS') {
      findings.warn(path, 'a wildcard stands for whole labels: *.example.com');
    }
  }
}

function checkAddresses(spec: ServiceEntrySpec, findings: Findings): void {
  const blocksAllowed = !spec.resolution || ['NONE', 'STATIC'].includes(spec.resolution);
  for (const [index, address] of (spec.addresses ?? []).entries()) {
    const path = ['addresses', index];
    if (!isAddressOrBlock(address)) {
      findings.invalid(path, `"${address.slice(0, 60)}" is not an IP address or CIDR block`);
    } else if (address.includes('/') && !blocksAllowed) {
      findings.invalid(path, 'CIDR blocks are for resolution NONE and STATIC');
    }
  }
}

function checkPorts(spec: ServiceEntrySpec, findings: Findings): void {
  const names = new Set<string>();
  const numbers = new Set<number>();
  for (const [index, { name, number, protocol }] of (spec.ports ?? []).entries()) {
    const path = ['ports', index];
    if (!isAnyCaseLabel(name)) {
      findings.invalid([...path, 'name'], 'the name of a port is a DNS label');
    } else if (names.has(name)) findings.invalid([...path, 'name'], `two ports are named ${name}`);
    if (numbers.has(number)) findings.invalid([...path, 'number'], `port ${number} stands twice`);
    names.add(name);
    numbers.add(number);
    checkProtocol(findings, [...path, 'protocol'], protocol);
  }
}

/** Checks the name of a protocol; none is fine. */
export function checkProtocol(
  findings: Findings,
  path: FieldPath,
  protocol: string | undefined,
): void {
  if (!protocol || protocols.includes(protocol.toUpperCase())) return;
  const hint = didYouMean(protocol, protocols);
  findings.invalid(path, `"${protocol.slice(0, 60)}" is not a protocol that the mesh knows${hint}`);
}

function checkResolution(spec: ServiceEntrySpec, findings: Findings): void {
  const { resolution = 'NONE', endpoints = [], ports = [], hosts } = spec;
  const protocolsUsed = ports.map((port) => (port.protocol ?? '').toUpperCase());
  if (resolution === 'NONE') {
    if (endpoints.length > 0) {
      findings.invalid(['endpoints'], 'resolution NONE (the default) has no endpoints');
    }
    if (spec.workloadSelector) {
      findings.warn(['workloadSelector'], 'workloadSelector is of no use with resolution NONE');
    }
    return;
  }
  if (resolution === 'DYNAMIC_DNS') {
    for (const field of ['endpoints', 'addresses'] as const) {
      if (spec[field]?.length) findings.invalid([field], `DYNAMIC_DNS has no ${field}`);
    }
    for (const [index, host] of hosts.entries()) {
      if (!host.startsWith('*')) findings.invalid(['hosts', index], 'DYNAMIC_DNS needs a wildcard');
    }
    for (const [index, protocol] of protocolsUsed.entries()) {
      if (dynamicProtocols.has(protocol)) continue;
      const text = 'DYNAMIC_DNS is for HTTP, HTTP2, GRPC and TLS';
      findings.invalid(['ports', index, 'protocol'], text);
    }
  }
  if (resolution === 'DNS' || resolution === 'DNS_ROUND_ROBIN') {
    for (const [index, host] of endpoints.length === 0 ? hosts.entries() : []) {
      if (!hostProblem(host)) continue;
      const text = `without endpoints, resolution ${resolution} needs hosts without wildcards`;
      findings.invalid(['hosts', index], text);
    }
    if (resolution === 'DNS_ROUND_ROBIN' && endpoints.length > 1) {
      findings.invalid(['endpoints'], 'resolution DNS_ROUND_ROBIN has at most one endpoint');
    }
  }
  if (hosts.length > 1 && protocolsUsed.some((protocol) => !namingHosts.has(protocol))) {
    const text = 'several hosts cannot be told apart on ports that are neither HTTP nor TLS';
    findings.invalid(['hosts'], text);
  }
  if (resolution === 'STATIC' && endpoints.length === 0 && !spec.workloadSelector) {
    findings.warn([], 'resolution STATIC without endpoints or workloadSelector reaches nothing');
  }
}

function checkEndpoints(spec: ServiceEntrySpec, findings: Findings): void {
  if (spec.workloadSelector && spec.endpoints) {
    findings.invalid(['endpoints'], 'endpoints and workloadSelector exclude each other');
  }
  const fixed = spec.resolution === 'STATIC';
  if (!fixed && !spec.resolution?.startsWith('DNS')) return;
  const rules = {
    servicePorts: new Set((spec.ports ?? []).map((port) => port.name)),
    hosts: !fixed,
    unixSockets: fixed,
  };
  for (const [index, endpoint] of (spec.endpoints ?? []).entries()) {
    checkEndpoint(findings, ['endpoints', index], endpoint, rules);
  }
}

/** Checks a ServiceEntry beyond its schema. */
export const checkServiceEntry: Check<ServiceEntrySpec> = (spec, findings, { namespace }) => {
  checkHosts(spec, findings);
  checkAddresses(spec, findings);
  checkPorts(spec, findings);
  checkResolution(spec, findings);
  checkEndpoints(spec, findings);
  const selector = spec.workloadSelector;
  checkSelectorLabels(findings, ['workloadSelector', 'labels'], selector?.labels);
  if (selector && Object.keys(selector.labels ?? {}).length === 0) {
    const text = 'without labels, all WorkloadEntries of the namespace are selected';
    findings.warn(['workloadSelector'], text);
  }
  checkExportTo(findings, spec.exportTo, { namespace, none: true });
};
