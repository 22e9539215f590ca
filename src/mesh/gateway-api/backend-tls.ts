// BackendTLSPolicies as DestinationRules: TLS of a Service's connections. A DestinationRule that a user wrote for the
// host stays before them, being a rule of its own (destination-rule.ts merges).
import type { BackendTlsPolicySpec } from '../../kinds/backend-tls-policy.js';
import type { DestinationRuleSpec } from '../../kinds/destination-rule.js';
import type { Resource } from '../../kinds/resource.js';
import type { ServiceSpec } from '../../kinds/service.js';
import { memoize } from '../../lib/memo.js';
import { serviceHostName } from '../host-name.js';
import type { ClientTls } from '../rules.js';
import type { GatewayState } from './listeners.js';
import { caOf, find, type GatewayApiInput } from './resources.js';
import type { RouteOutcome } from './routes.js';
import { bad, good, type Verdict } from './verdict.js';

/** A policy and what was found about it. */
export interface PolicyOutcome {
  resource: Resource;
  accepted: Verdict;
  resolvedRefs: Verdict;
  /** The Gateways that send requests to its targets. */
  gateways: readonly GatewayState[];
}

/** TLS for a host, or one port of it. */
interface HostTls {
  host: string;
  port?: number;
  tls: ClientTls;
  policy: Resource;
}

/** The rules, one for each host, and the findings. Policies are given oldest first, and the oldest counts. */
export function backendTls(
  input: GatewayApiInput,
  routes: readonly RouteOutcome[],
  states: readonly GatewayState[],
): { rules: Resource[]; policies: PolicyOutcome[] } {
  const taken = new Map<string, HostTls>();
  const policies = input.backendTlsPolicies.map((resource) =>
    policyOutcome(input, resource, { taken, routes, states }),
  );
  const byHost = new Map<string, HostTls[]>();
  for (const each of taken.values())
    byHost.set(each.host, [...(byHost.get(each.host) ?? []), each]);
  const rules = [...byHost.values()].map((list) => {
    const parts = list.map(({ host, port, tls }) => ({ host, port, tls }));
    return ruleOf(list[0]!.policy, JSON.stringify(parts));
  });
  return { rules, policies };
}

interface PolicyContext {
  taken: Map<string, HostTls>;
  routes: readonly RouteOutcome[];
  states: readonly GatewayState[];
}

function policyOutcome(
  input: GatewayApiInput,
  resource: Resource,
  { taken, routes, states }: PolicyContext,
): PolicyOutcome {
  const { targetRefs } = resource.spec as BackendTlsPolicySpec;
  const { tls, resolvedRefs } = tlsOf(input, resource);
  let accepted: Verdict = resolvedRefs.ok
    ? good('Accepted')
    : bad('NoValidCACertificate', resolvedRefs.message, resolvedRefs.path ?? []);
  const hosts = new Set<string>();
  for (const [i, target] of targetRefs.entries()) {
    const found = targetOf(input, resource, target, ['spec', 'targetRefs', i]);
    if ('reason' in found) {
      if (accepted.ok) accepted = found;
      continue;
    }
    hosts.add(found.host);
    const key = `${found.host} ${found.port ?? ''}`;
    if (taken.has(key)) {
      const why = `an older BackendTLSPolicy is for ${target.name} already`;
      if (accepted.ok) accepted = bad('Conflicted', why, ['spec', 'targetRefs', i]);
    } else taken.set(key, { ...found, tls: tls ?? refusedTls, policy: resource });
  }
  const gateways = states.filter((state) =>
    routes.some((route) => leadsTo(route, hosts) && isAttached(route, state)),
  );
  return { resource, accepted, resolvedRefs, gateways };
}

/** A policy without valid CAs must let nothing through (Gateway API): no certificate has this name. */
const refusedTls: ClientTls = {
  mode: 'SIMPLE',
  sni: 'invalid.invalid',
  subjectAltNames: ['invalid.invalid'],
};

function targetOf(
  { services, settings }: GatewayApiInput,
  { namespace }: Resource,
  { group = '', kind, name, sectionName }: BackendTlsPolicySpec['targetRefs'][number],
  path: readonly (string | number)[],
): { host: string; port?: number } | Verdict {
  const service = group === '' && kind === 'Service' ? find(services, namespace, name) : undefined;
  if (service === undefined) {
    return bad('TargetNotFound', `there is no ${kind} ${namespace}/${name} to have a policy`, path);
  }
  const host = serviceHostName(name, namespace, settings.domainSuffix);
  if (sectionName === undefined) return { host };
  const { ports = [] } = service.spec as ServiceSpec;
  const port = ports.find((each) => each.name === sectionName)?.port;
  if (port !== undefined) return { host, port };
  return bad('TargetNotFound', `the Service ${name} has no port named ${sectionName}`, path);
}

function tlsOf(
  { configMaps, secrets }: GatewayApiInput,
  { namespace, spec }: Resource,
): { tls?: ClientTls; resolvedRefs: Verdict } {
  const { validation } = spec as BackendTlsPolicySpec;
  const { caCertificateRefs = [], hostname, subjectAltNames = [] } = validation;
  const names = subjectAltNames.map((each) => each.uri ?? each.hostname ?? '');
  const tls: ClientTls = {
    mode: 'SIMPLE',
    sni: hostname,
    subjectAltNames: names.length > 0 ? names : [hostname],
  };
  const path = ['spec', 'validation', 'caCertificateRefs', 0];
  const [ref] = caCertificateRefs;
  if (ref === undefined) return { tls, resolvedRefs: good('ResolvedRefs') };
  const { group = '', kind, name } = ref;
  if (group !== '' || (kind !== 'ConfigMap' && kind !== 'Secret')) {
    return { resolvedRefs: bad('InvalidKind', `CAs are in a ConfigMap, not in a ${kind}`, path) };
  }
  const found = find(kind === 'Secret' ? secrets : configMaps, namespace, name);
  const caText = found && caOf(found);
  if (caText === undefined) {
    const why = `there is no ${kind} ${namespace}/${name} with CAs in ca.crt`;
    return { resolvedRefs: bad('InvalidCACertificateRef', why, path) };
  }
  return {
    tls: { ...tls, caText },
    resolvedRefs: good('ResolvedRefs'),
  };
}

function leadsTo({ http, connections }: RouteOutcome, hosts: ReadonlySet<string>): boolean {
  const named = (http?.gateway ?? []).flatMap(({ rule }) => rule.route ?? []);
  if (named.some(({ destination }) => hosts.has(destination.host))) return true;
  return (connections?.gateway ?? []).some(({ backend }) => backend && hosts.has(backend.host));
}

function isAttached({ parents }: RouteOutcome, { resource }: GatewayState): boolean {
  return parents.some(({ attachments }) =>
    attachments.some(({ listener }) => listener.gateway === resource),
  );
}

/** A DestinationRule as if somebody had written it; the same object for the same policy and TLS. */
const ruleOf = memoize((policy: Resource, parts: string): Resource<DestinationRuleSpec> => {
  const all = JSON.parse(parts) as Omit<HostTls, 'policy'>[];
  const whole = all.find(({ port }) => port === undefined);
  const ports = all.filter(({ port }) => port !== undefined);
  return {
    ...policy,
    spec: {
      host: all[0]!.host,
      trafficPolicy: {
        ...(whole && { tls: whole.tls }),
        ...(ports.length > 0 && {
          portLevelSettings: ports.map(({ port, tls }) => ({ port: { number: port! }, tls })),
        }),
      },
    },
  };
});
