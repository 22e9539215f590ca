// The rules of WorkloadGroup beyond its schema, after Istio's validation.
import type { Check, Findings } from './finding.js';
import { headerTextProblem } from './header-check.js';
import { isAddress, isAnyCaseLabel, unixAddressProblem } from './names.js';
import type { FieldPath } from './problem.js';
import { warnOfLabels } from './selector-check.js';
import { checkLabels, checkOneOf, report } from './value-check.js';
import type { WorkloadGroupSpec } from './workload-group.js';

const seconds = [
  'initialDelaySeconds',
  'timeoutSeconds',
  'periodSeconds',
  'successThreshold',
  'failureThreshold',
] as const;

function checkProbe(probe: NonNullable<WorkloadGroupSpec['probe']>, findings: Findings): void {
  for (const name of seconds) {
    if ((probe[name] ?? 0) < 0) findings.invalid(['probe', name], 'must not be negative');
  }
  const methods = ['httpGet', 'tcpSocket', 'exec', 'grpc'] as const;
  const given = checkOneOf(findings, ['probe'], probe, methods);
  if (given.length === 0) findings.missing(['probe'], `one of ${methods.join(', ')} must be given`);
  if (probe.exec?.command.length === 0) {
    findings.missing(['probe', 'exec', 'command'], 'the command must not be empty');
  }
  if (probe.grpc && probe.grpc.port === undefined) {
    findings.missing(['probe', 'grpc', 'port'], 'port must be given');
  }
  checkHost(findings, ['probe', 'httpGet', 'host'], probe.httpGet?.host);
  checkHost(findings, ['probe', 'tcpSocket', 'host'], probe.tcpSocket?.host);
  for (const [index, { name = '', value = '' }] of (probe.httpGet?.httpHeaders ?? []).entries()) {
    const at = ['probe', 'httpGet', 'httpHeaders', index];
    if (!/^[-A-Za-z0-9]+$/.test(name)) {
      findings.invalid([...at, 'name'], 'not the name of a header');
    }
    report(findings, [...at, 'value'], headerTextProblem(value));
  }
}

function checkHost(findings: Findings, path: FieldPath, host: string | undefined): void {
  if (!host || host === 'localhost' || (isAddress(host) && !host.includes('%'))) return;
  findings.pending(
    path,
    'Envoy looks up no names for a probe: give an IP address or localhost. A workload of the group counts as without a probe',
  );
}

/** Checks a WorkloadGroup beyond its schema. */
export const checkWorkloadGroup: Check<WorkloadGroupSpec> = (spec, findings) => {
  const { metadata, template, probe } = spec;
  checkLabels(findings, ['metadata', 'labels'], metadata?.labels);
  warnOfLabels(findings, ['template', 'labels'], template.labels);
  const { address = '', ports = {} } = template;
  const names = Object.keys(ports);
  if (address.startsWith('unix://')) {
    report(findings, ['template', 'address'], unixAddressProblem(address));
    if (names.length > 0) findings.invalid(['template', 'ports'], 'a socket has no ports');
  } else if (address !== '') {
    findings.warn(['template', 'address'], 'each workload has the address of its own sidecar');
  }
  for (const name of names) {
    if (isAnyCaseLabel(name)) continue;
    findings.invalid(['template', 'ports', name], 'the name of a port is a DNS label');
  }
  if (probe) checkProbe(probe, findings);
};
