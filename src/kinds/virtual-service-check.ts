// The rules of VirtualService beyond its schema, after Istio's validation (mesh-wide parts: hosts, exportTo, which
// kinds of routes). One HTTP route is checked in http-route-check.ts.
import type { Check, Findings } from './finding.js';
import { isJwtClaim } from './header-check.js';
import { checkDestination, checkHttpRoute, checkWeights } from './http-route-check.js';
import {
  hostCovers,
  isAddress,
  isAddressOrBlock,
  isAnyCaseLabel,
  isPartialWildcard,
} from './names.js';
import type { FieldPath } from './problem.js';
import { checkExportTo, checkHost, checkLabels, report } from './value-check.js';
import type {
  RouteDestination,
  TcpMatch,
  TlsMatch,
  VirtualServiceSpec,
} from './virtual-service.js';

/** Gateways are `mesh`, `namespace/name`, or (older) the name alone or as a host name. */
function checkGateways(
  findings: Findings,
  path: FieldPath,
  gateways: readonly string[] = [],
): void {
  for (const [index, gateway] of gateways.entries()) {
    if (gateway === 'mesh') continue;
    const at = [...path, index];
    const [namespace, name] = gateway.split('/', 2);
    if (name === undefined) {
      checkHost(findings, at, gateway, 'plain');
      const [first, owner] = gateway.split('.');
      if (owner) findings.deprecatedForm(at, gateway, `${owner}/${first}`);
    } else if (!isAnyCaseLabel(namespace ?? '') || !isAnyCaseLabel(name)) {
      findings.invalid(at, `"${gateway.slice(0, 80)}" is not mesh or namespace/name`);
    }
  }
}

function checkHosts(spec: VirtualServiceSpec, findings: Findings): void {
  const hosts = spec.hosts ?? [];
  // As Istio has it: beside a gateway, mesh does not forbid it.
  const forMesh = !spec.gateways?.some((gateway) => gateway !== 'mesh');
  let allValid = true;
  for (const [index, host] of hosts.entries()) {
    const before = findings.list.length;
    if (!isAddress(host)) checkHost(findings, ['hosts', index], host, 'wildcard');
    if (forMesh && host === '*') {
      findings.invalid(['hosts', index], 'the host * is allowed with gateways only, not with mesh');
    }
    if (findings.list.length > before) allValid = false;
  }
  // Comparing each with each is for the few hosts that people write, not for a flood of them.
  if (!allValid || hosts.length > 500) return;
  for (const [index, host] of hosts.entries()) {
    const twin = hosts.slice(0, index).find((h) => hostCovers(h, host) || hostCovers(host, h));
    if (twin !== undefined) {
      findings.invalid(['hosts', index], `${host} and ${twin} stand for the same hosts`);
    }
  }
}

function checkDelegateParts(spec: VirtualServiceSpec, findings: Findings): void {
  if (spec.hosts?.length) return;
  for (const field of ['gateways', 'tls', 'tcp'] as const) {
    if (spec[field]?.length) {
      findings.invalid([field], `a VirtualService without hosts is a delegate and has no ${field}`);
    }
  }
  for (const [i, { delegate }] of (spec.http ?? []).entries()) {
    if (delegate) {
      findings.invalid(['http', i, 'delegate'], 'a delegate must not delegate any further');
    }
  }
}

function checkL4Match(findings: Findings, path: FieldPath, match: TcpMatch | TlsMatch): void {
  for (const [index, subnet] of (match.destinationSubnets ?? []).entries()) {
    if (isAddressOrBlock(subnet)) continue;
    const at = [...path, 'destinationSubnets', index];
    findings.invalid(at, `"${subnet.slice(0, 60)}" is not an IP address or CIDR block`);
  }
  checkLabels(findings, [...path, 'sourceLabels'], match.sourceLabels);
  checkGateways(findings, [...path, 'gateways'], match.gateways);
}

function checkL4Route(
  findings: Findings,
  path: FieldPath,
  route: { match?: readonly (TcpMatch | TlsMatch)[]; route?: readonly RouteDestination[] },
): void {
  for (const [index, match] of (route.match ?? []).entries()) {
    checkL4Match(findings, [...path, 'match', index], match);
  }
  if (!route.route?.length) findings.missing([...path, 'route'], 'a route must have a destination');
  for (const [index, { destination }] of (route.route ?? []).entries()) {
    checkDestination(findings, [...path, 'route', index, 'destination'], destination);
  }
  checkWeights(findings, [...path, 'route'], route.route);
}

function checkSniHosts(spec: VirtualServiceSpec, findings: Findings): void {
  for (const [i, route] of (spec.tls ?? []).entries()) {
    if (route.match.length === 0) findings.missing(['tls', i, 'match'], 'match must not be empty');
    for (const [j, match] of route.match.entries()) {
      const path = ['tls', i, 'match', j, 'sniHosts'];
      if (match.sniHosts.length === 0) findings.missing(path, 'sniHosts must not be empty');
      for (const [k, host] of match.sniHosts.entries()) {
        if (isAddress(host)) {
          findings.warn([...path, k], 'clients do not send IP addresses as SNI (RFC 6066)');
          continue;
        }
        checkHost(findings, [...path, k], host, 'wildcard');
        if (isPartialWildcard(host)) {
          const why = 'a server name has a wildcard for whole labels only: *.example.com';
          findings.invalid([...path, k], why);
        }
        if (!(spec.hosts ?? []).some((h) => hostCovers(h, host))) {
          findings.invalid([...path, k], `${host} is not among the hosts of the VirtualService`);
        }
      }
    }
  }
}

function checkHttp(spec: VirtualServiceSpec, findings: Findings): void {
  const forMeshOnly = !spec.gateways?.some((gateway) => gateway !== 'mesh');
  for (const [i, route] of (spec.http ?? []).entries()) {
    checkHttpRoute(findings, ['http', i], route);
    for (const [j, match] of (route.match ?? []).entries()) {
      const path = ['http', i, 'match', j];
      checkGateways(findings, [...path, 'gateways'], match.gateways);
      for (const field of ['headers', 'withoutHeaders'] as const) {
        for (const name of Object.keys(match[field] ?? {})) {
          const misplaced = forMeshOnly && isJwtClaim(name);
          const why = misplaced ? 'claims of a JWT are matched by gateways only' : undefined;
          report(findings, [...path, field, name], why);
        }
      }
    }
  }
}

/** Checks a VirtualService beyond its schema. */
export const checkVirtualService: Check<VirtualServiceSpec> = (spec, findings, { namespace }) => {
  checkDelegateParts(spec, findings);
  checkGateways(findings, ['gateways'], spec.gateways);
  checkHosts(spec, findings);
  if (!spec.http?.length && !spec.tcp?.length && !spec.tls?.length) {
    findings.missing([], 'one of http, tcp and tls must be given');
  }
  checkHttp(spec, findings);
  checkSniHosts(spec, findings);
  for (const kind of ['tcp', 'tls'] as const) {
    for (const [index, route] of (spec[kind] ?? []).entries()) {
      checkL4Route(findings, [kind, index], route);
    }
  }
  checkExportTo(findings, spec.exportTo, { namespace, none: false });
};
