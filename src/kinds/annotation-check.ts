// Annotations of Istio's and of fairlead's own that mean nothing where they stand: misspelt, of another kind, or with a
// value that is none. What annotations do is with the kinds that read them (mesh/kubernetes-service.ts, mesh/gateway.ts).
import type { Finding } from './finding.js';
import { isDnsLabel } from './names.js';
import { didYouMean } from './suggest.js';

type Annotations = Readonly<Record<string, string>>;

const KUBERNETES_GATEWAY = 'Gateway.gateway.networking.k8s.io';

/** Annotations that fairlead acts on, by the kinds that have them, with what is wrong with a value. */
const inUse: Readonly<
  Record<string, { kinds: readonly string[]; problem: (value: string) => string | undefined }>
> = {
  'networking.istio.io/exportTo': { kinds: ['Service'], problem: exportToProblem },
  'networking.istio.io/traffic-distribution': {
    kinds: ['Service', 'ServiceEntry', 'Namespace'],
    problem: oneOf('PreferSameZone', 'PreferSameNode', 'PreferClose', 'Any'),
  },
  'istio.io/connect-strategy': {
    kinds: ['ServiceEntry'],
    problem: oneOf('RACE_FIRST_TCP_CONNECT'),
  },
  'fairlead.io/http3': {
    kinds: ['Gateway', KUBERNETES_GATEWAY],
    problem: oneOf('true', 'false'),
  },
  'fairlead.io/compression': {
    kinds: ['Gateway', KUBERNETES_GATEWAY],
    problem: listOf('gzip', 'brotli', 'zstd'),
  },
};

/** What Istio has for these kinds and fairlead does not act on (istio.io, resource annotations). */
const unused: Readonly<Record<string, readonly string[]>> = {
  'istio.io/use-waypoint-canary-weight': ['Service', 'ServiceEntry', 'Namespace'],
  'traffic.istio.io/nodeSelector': ['Service'],
  'alpha.istio.io/canonical-serviceaccounts': ['Service'],
  'alpha.istio.io/kubernetes-serviceaccounts': ['Service'],
  'topology.istio.io/controlPlaneClusters': ['Namespace'],
  'networking.istio.io/service-type': [KUBERNETES_GATEWAY],
  'gateway.istio.io/name-override': [KUBERNETES_GATEWAY],
  'gateway.istio.io/service-account': [KUBERNETES_GATEWAY],
  'ambient.istio.io/waypoint-inbound-binding': [KUBERNETES_GATEWAY, 'GatewayClass'],
  'kubernetes.io/ingress.class': ['Ingress'],
  'istio.io/dry-run': ['AuthorizationPolicy'],
};

/** Written by controllers, not by users. */
const ofControllers: ReadonlySet<string> = new Set([
  'gateway.istio.io/controller-version',
  'istio.io/rev',
  'istio.io/autoRegistrationGroup',
  'istio.io/connectedAt',
  'istio.io/disconnectedAt',
  'istio.io/workloadController',
]);

const SUPPRESS = 'galley.istio.io/analyze-suppress';

/** All annotations under these are for Pods. */
const ofPods =
  /^(?:(?:[a-z.]+\.)?sidecar|proxy|inject|prometheus|ambient)\.istio\.io\/|^istio\.io\/reroute-virtual-interfaces$/;

/** Kinds that hold what others have written, or data of anybody. */
const notAsked: ReadonlySet<string> = new Set([
  'Secret',
  'ConfigMap',
  'Endpoints',
  'EndpointSlice',
]);

/** Findings about the annotations of a resource; none makes it refused. `kind` as in resource ids. */
export function annotationFindings(kind: string, annotations: Annotations): Finding[] {
  if (notAsked.has(kind)) return [];
  return Object.entries(annotations).flatMap(([name, value]) => {
    if (!isOurs(name) || ofControllers.has(name)) return [];
    const found = findingOf(kind, name, value);
    return found ? [{ ...found, path: ['metadata', 'annotations', name] }] : [];
  });
}

function isOurs(name: string): boolean {
  const group = name.slice(0, Math.max(0, name.indexOf('/')));
  if (group === 'internal.istio.io') return false;
  if (name === 'kubernetes.io/ingress.class' || group === 'fairlead.io') return true;
  return group === 'istio.io' || group.endsWith('.istio.io');
}

function findingOf(kind: string, name: string, value: string): Omit<Finding, 'path'> | undefined {
  if (name === SUPPRESS) {
    return noEffect(
      'problems are not suppressed; `analyze --show` and `--fail-on` say what counts',
    );
  }
  const { kinds = [], problem } = (Object.hasOwn(inUse, name) && inUse[name]) || {};
  if (kinds.includes(kind)) {
    const message = problem?.(value);
    if (message === undefined) return undefined;
    return { code: 'invalid-value', severity: 'warning', istio: 'IST0125', message };
  }
  const others = (Object.hasOwn(unused, name) && unused[name]) || [];
  if (others.includes(kind)) return noEffect(`fairlead does not act on ${name}`);
  const owners = ofPods.test(name) ? ['Pods'] : [...kinds, ...others];
  const misplaced = owners.length > 0;
  const message = misplaced
    ? `${name} is for ${owners.join(', ')}; here it has no effect`
    : `there is no annotation ${name.slice(0, 120)}${didYouMean(name, namesFor(kind))}`;
  const istio = misplaced ? 'IST0107' : 'IST0108';
  return { code: 'unknown-annotation', severity: 'warning', istio, message };
}

function noEffect(message: string): Omit<Finding, 'path'> {
  return { code: 'no-effect', severity: 'info', message };
}

function namesFor(kind: string): string[] {
  return Object.keys(inUse).filter((name) => inUse[name]?.kinds.includes(kind));
}

function oneOf(...allowed: readonly string[]) {
  return (value: string) =>
    allowed.some((one) => one.toLowerCase() === value.toLowerCase())
      ? undefined
      : `${JSON.stringify(value.slice(0, 60))} is not one of ${allowed.join(', ')}; it is not in force`;
}

function listOf(...allowed: readonly string[]) {
  const isAllowed = oneOf(...allowed);
  return (value: string) =>
    value
      .split(',')
      .map((one) => isAllowed(one.trim()))
      .find((problem) => problem !== undefined);
}

function exportToProblem(value: string): string | undefined {
  const wrong = value
    .split(',')
    .map((entry) => entry.trim())
    .find((entry) => !['', '.', '*', '~'].includes(entry) && !isDnsLabel(entry));
  return wrong === undefined
    ? undefined
    : `${JSON.stringify(wrong.slice(0, 60))} is not a namespace, nor one of ., * and ~`;
}
