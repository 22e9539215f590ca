// The rules of WorkloadEntry beyond its schema, after Istio's validation; ServiceEntry uses them for its endpoints.
import type { Check, Findings } from './finding.js';
import { hostProblem, isAddress, isAnyCaseLabel, unixAddressProblem } from './names.js';
import type { FieldPath } from './problem.js';
import { checkLabels, report } from './value-check.js';
import type { WorkloadEntrySpec } from './workload-entry.js';

/** What the resource around an endpoint asks of it. */
export interface EndpointRules {
  /** Names of the ports of the service; absent when they are not known. */
  servicePorts?: ReadonlySet<string>;
  /** Whether a host name is allowed beside an IP address. */
  hosts: boolean;
  /** Whether the path of a Unix socket is allowed. */
  unixSockets: boolean;
}

const unixPrefix = 'unix://';

function checkUnixSocket(
  findings: Findings,
  path: FieldPath,
  endpoint: WorkloadEntrySpec,
  rules: EndpointRules,
): void {
  const at = [...path, 'address'];
  if (!rules.unixSockets) findings.invalid(at, 'the path of a socket is for resolution STATIC');
  else report(findings, at, unixAddressProblem(endpoint.address ?? ''));
  if (Object.keys(endpoint.ports ?? {}).length > 0) {
    findings.invalid([...path, 'ports'], 'a socket has no ports');
  }
  if (rules.servicePorts && rules.servicePorts.size !== 1) {
    findings.invalid(at, 'a service with sockets as endpoints must have exactly one port');
  }
}

/** Checks an endpoint, in a WorkloadEntry or a ServiceEntry. */
export function checkEndpoint(
  findings: Findings,
  path: FieldPath,
  endpoint: WorkloadEntrySpec,
  rules: EndpointRules,
): void {
  const { address = '', network, ports = {}, labels } = endpoint;
  const at = [...path, 'address'];
  if (address === '') {
    // Of an endpoint that is looked up, the address is the name.
    if (!network || !rules.unixSockets) findings.missing(at, 'address must be given');
    else findings.warn(at, 'an endpoint without an address is not reached');
  } else if (address.startsWith(unixPrefix)) {
    checkUnixSocket(findings, path, endpoint, rules);
  } else if (!isAddress(address)) {
    if (!rules.hosts) findings.invalid(at, `"${address.slice(0, 80)}" is not an IP address`);
    else if (hostProblem(address)) {
      findings.invalid(at, `"${address.slice(0, 80)}" is not an IP address or a host name`);
    }
  }
  for (const name of Object.keys(ports)) {
    const here = [...path, 'ports', name];
    if (!isAnyCaseLabel(name)) findings.invalid(here, 'the name of a port is a DNS label');
    else if (rules.servicePorts && !rules.servicePorts.has(name)) {
      findings.invalid(here, `the service has no port named ${name}`);
    }
  }
  checkLabels(findings, [...path, 'labels'], labels);
}

/** Checks a WorkloadEntry beyond its schema. */
export const checkWorkloadEntry: Check<WorkloadEntrySpec> = (spec, findings) => {
  checkEndpoint(findings, [], spec, { hosts: true, unixSockets: true });
};
