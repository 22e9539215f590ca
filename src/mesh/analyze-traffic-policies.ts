// Findings about the traffic policies of DestinationRules that only make sense with the mesh around them: ports that
// the service lacks, TLS that does not say who may answer, settings that wait for another one.
import type { DestinationRuleSpec } from '../kinds/destination-rule.js';
import type { FieldPath, Problem } from '../kinds/problem.js';
import type { Resource } from '../kinds/resource.js';
import type { MeshSettings } from './mesh-settings.js';
import type { TrafficPolicy } from './rules.js';
import type { Service } from './service.js';

type Rule = Resource<DestinationRuleSpec>;
type Sections = Pick<TrafficPolicy, 'tls' | 'loadBalancer' | 'outlierDetection'>;
type Found = Pick<Problem, 'code' | 'severity' | 'message' | 'path' | 'istio'>;

interface Context {
  settings: MeshSettings;
  /** Those that the rule is for. */
  services: readonly Service[];
  /** The rule has a workloadSelector. */
  selects: boolean;
}

/** Everything about the policies of one rule: of the host, of its ports and subsets. */
export function analyzeTrafficPolicies(
  settings: MeshSettings,
  rule: Rule,
  services: readonly Service[],
): Problem[] {
  const { kind, namespace, name, spec } = rule;
  const context = { settings, services, selects: spec.workloadSelector !== undefined };
  const found = [
    ...policyProblems(context, spec.trafficPolicy, ['spec', 'trafficPolicy']),
    ...(spec.subsets ?? []).flatMap(({ trafficPolicy }, i) => {
      // Sections that a subset lacks are those of the host.
      const policy = trafficPolicy && { ...inherited(spec.trafficPolicy), ...trafficPolicy };
      const own = policyProblems(context, policy, ['spec', 'subsets', i, 'trafficPolicy']);
      return own.filter(({ path = [] }) => writes(trafficPolicy, path[4]));
    }),
  ];
  return found.map((problem) => ({ ...problem, resource: { kind, namespace, name } }));
}

function inherited(policy: TrafficPolicy | undefined): TrafficPolicy {
  const { portLevelSettings: _ports, ...sections } = policy ?? {};
  return sections;
}

function writes(policy: TrafficPolicy | undefined, section: string | number | undefined): boolean {
  return policy !== undefined && Object.hasOwn(policy, String(section));
}

function policyProblems(
  context: Context,
  policy: TrafficPolicy | undefined,
  path: FieldPath,
): Found[] {
  if (policy === undefined) return [];
  const ports = policy.portLevelSettings ?? [];
  return [
    ...sectionProblems(context, policy, path),
    ...ports.flatMap((settings, i) => {
      const at = [...path, 'portLevelSettings', i];
      const number = settings.port?.number;
      return [
        ...unknownPort(context.services, number, [...at, 'port', 'number']),
        ...sectionProblems(context, settings, at),
      ];
    }),
  ];
}

function unknownPort(
  services: readonly Service[],
  number: number | undefined,
  path: FieldPath,
): Found[] {
  const ports = services.flatMap((service) => service.ports.map((port) => port.number));
  if (number === undefined || services.length === 0 || ports.includes(number)) return [];
  const known = [...new Set(ports)].slice(0, 10).join(', ');
  const message = `${services[0]?.hostname} has no port ${number}; it has ${known || 'none'}`;
  return [{ code: 'unknown-port', severity: 'warning', message, path }];
}

function sectionProblems(context: Context, policy: Sections, path: FieldPath): Found[] {
  return [
    ...tlsProblems(policy.tls, context, [...path, 'tls']),
    ...failoverProblems(context.settings, policy, [...path, 'loadBalancer', 'localityLbSetting']),
  ];
}

/** Istio has one code for the policy of a host, and another for that of a port. */
function tlsProblems(
  tls: Sections['tls'],
  { services, selects }: Context,
  path: FieldPath,
): Found[] {
  const isTls = tls?.mode === 'SIMPLE' || tls?.mode === 'MUTUAL';
  if (!isTls || (tls.credentialName && selects)) return [];
  const istio = { istio: path.includes('portLevelSettings') ? 'IST0129' : 'IST0128' };
  const warn = (message: string, field: string, more = {}): Found[] => [
    { code: 'unverified-server', severity: 'warning', ...more, message, path: [...path, field] },
  ];
  if (tls.credentialName) {
    const message =
      'credentialName counts at gateways; sidecars, without a workloadSelector here, send plain text';
    const at = [...path, 'credentialName'];
    return [{ code: 'ineffective-setting', severity: 'warning', ...istio, message, path: at }];
  }
  if (tls.insecureSkipVerify) {
    return warn('any certificate is accepted, so anybody may answer', 'insecureSkipVerify', istio);
  }
  const named = tls.subjectAltNames?.length || services.some((own) => own.subjectAltNames?.length);
  if (tls.sni && !named) {
    const whose = tls.caCertificates ? 'these CAs' : 'any public CA';
    const hint = 'add subjectAltNames, or leave sni out: the host of the request counts then';
    const message = `with sni, a certificate of any name by ${whose} is accepted; ${hint}`;
    return warn(message, 'sni', tls.caCertificates ? {} : istio);
  }
  if (tls.caCertificates) return [];
  const message =
    'no caCertificates: the CAs in /etc/ssl/certs/ca-certificates.crt of the sidecar are trusted';
  return [{ code: 'default-cas', severity: 'info', ...istio, message, path: [...path, 'mode'] }];
}

/** Failover between localities begins when endpoints are ejected (Istio docs, locality load balancing). */
function failoverProblems(settings: MeshSettings, policy: Sections, path: FieldPath): Found[] {
  const setting = policy.loadBalancer?.localityLbSetting;
  if (!setting?.failover?.length && !setting?.failoverPriority?.length) return [];
  const byDefault = settings.config.defaultTrafficPolicy?.outlierDetection;
  if (policy.outlierDetection !== undefined || byDefault !== undefined) return [];
  const field = setting.failover?.length ? 'failover' : 'failoverPriority';
  const message = `${field} counts only together with outlierDetection`;
  return [{ code: 'ineffective-setting', severity: 'warning', message, path: [...path, field] }];
}
