// The rules of Gateway API's kinds beyond their schemas: those that the API server of Kubernetes enforces by the
// definitions of the kinds. What depends on other resources is status, not refusal (mesh/gateway-api/).
import type { BackendTlsPolicySpec } from './backend-tls-policy.js';
import type { Check, Findings } from './finding.js';
import type { NamespaceChoice, ParentRef } from './gateway-api-values.js';
import type { KubernetesGatewaySpec, Listener } from './kubernetes-gateway.js';
import { hostProblem, isAddress, isDnsSubdomain, wildcardHostProblem } from './names.js';
import type { FieldPath } from './problem.js';
import { checkSelector, report } from './value-check.js';

/** Checks a Gateway of the Gateway API. */
export const checkKubernetesGateway: Check<KubernetesGatewaySpec> = (spec, findings) => {
  if (spec.listeners.length === 0) findings.missing(['listeners'], 'listeners must not be empty');
  const names = new Set<string>();
  const claims = new Set<string>();
  for (const [i, listener] of spec.listeners.entries()) {
    const path = ['listeners', i];
    if (!isDnsSubdomain(listener.name)) {
      findings.invalid([...path, 'name'], 'the name of a listener is a DNS name');
    } else if (names.has(listener.name)) {
      findings.invalid([...path, 'name'], `two listeners are named ${listener.name}`);
    }
    names.add(listener.name);
    checkListener(findings, path, listener);
    const claim = `${listener.port} ${listener.protocol} ${listener.hostname ?? ''}`;
    if (claims.has(claim)) {
      findings.invalid(path, 'another listener has the same port, protocol and hostname');
    }
    claims.add(claim);
  }
};

function checkListener(findings: Findings, path: FieldPath, listener: Listener): void {
  const { hostname, protocol, tls } = listener;
  if (hostname) checkHostname(findings, [...path, 'hostname'], hostname);
  if (protocol === 'HTTP' || protocol === 'TCP' || protocol === 'UDP') {
    if (tls) findings.invalid([...path, 'tls'], `a listener of ${protocol} has no tls`);
  }
  if ((protocol === 'TCP' || protocol === 'UDP') && hostname) {
    findings.invalid([...path, 'hostname'], `a listener of ${protocol} has no hostname`);
  }
  if (protocol === 'HTTPS' && tls?.mode === 'Passthrough') {
    findings.invalid([...path, 'tls', 'mode'], 'HTTPS is terminated; use protocol TLS');
  }
  const terminates = (protocol === 'HTTPS' || protocol === 'TLS') && tls?.mode !== 'Passthrough';
  const hasOption = Object.keys(tls?.options ?? {}).length > 0;
  if (terminates && (tls?.certificateRefs ?? []).length === 0 && !hasOption) {
    findings.missing([...path, 'tls'], 'TLS that ends here needs certificateRefs');
  }
  checkNamespaces(
    findings,
    [...path, 'allowedRoutes', 'namespaces'],
    listener.allowedRoutes?.namespaces,
  );
}

function checkNamespaces(findings: Findings, path: FieldPath, choice?: NamespaceChoice): void {
  if (choice?.from === 'Selector' && !choice.selector) {
    findings.missing([...path, 'selector'], 'from: Selector needs a selector');
  }
  checkSelector(findings, [...path, 'selector'], choice?.selector);
}

/** A host with or without `*.` before it; no address. */
export function checkHostname(findings: Findings, path: FieldPath, hostname: string): void {
  if (isAddress(hostname)) findings.invalid(path, 'a hostname is no IP address');
  else if (hostname === '*') findings.invalid(path, 'leave the hostname out for any host');
  else if (hostname.includes('*') && !hostname.startsWith('*.')) {
    findings.invalid(path, 'a wildcard is `*.` before the rest of the name');
  } else report(findings, path, wildcardHostProblem(hostname));
}

/** Hosts of a route. */
export function checkHostnames(findings: Findings, hostnames: readonly string[] = []): void {
  for (const [i, hostname] of hostnames.entries()) {
    checkHostname(findings, ['hostnames', i], hostname);
  }
}

/** What a route is attached to: several references to one object need names of listeners, or ports. */
export function checkParentRefs(findings: Findings, parentRefs: readonly ParentRef[] = []): void {
  const seen = new Set<string>();
  for (const [i, ref] of parentRefs.entries()) {
    const { group, kind, namespace, name, sectionName, port } = ref;
    const key = JSON.stringify([group, kind, namespace, name, sectionName, port]);
    if (seen.has(key)) findings.invalid(['parentRefs', i], 'this parent stands twice');
    seen.add(key);
  }
}

/** Checks a TLSRoute, and what TCPRoute has of it. */
export const checkL4Route: Check<{
  parentRefs?: ParentRef[] | undefined;
  hostnames?: string[] | undefined;
}> = ({ parentRefs, hostnames }, findings) => {
  checkParentRefs(findings, parentRefs);
  checkHostnames(findings, hostnames);
};

/** Checks a BackendTLSPolicy. */
export const checkBackendTlsPolicy: Check<BackendTlsPolicySpec> = (
  { validation, targetRefs },
  findings,
) => {
  if (targetRefs.length === 0) findings.missing(['targetRefs'], 'targetRefs must not be empty');
  const path = ['validation'];
  const refs = validation.caCertificateRefs ?? [];
  const wellKnown = validation.wellKnownCACertificates !== undefined;
  if (refs.length > 0 === wellKnown) {
    findings.invalid(
      path,
      'either caCertificateRefs or wellKnownCACertificates must be given, not both',
    );
  }
  report(findings, [...path, 'hostname'], hostProblem(validation.hostname));
  for (const [i, name] of (validation.subjectAltNames ?? []).entries()) {
    const field = name.type === 'URI' ? 'uri' : 'hostname';
    if (!name[field]) {
      findings.missing([...path, 'subjectAltNames', i, field], `${field} must be given`);
    }
  }
};
