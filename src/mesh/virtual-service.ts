// VirtualService with every host and gateway resolved. Which of several applies to a host is up to translation; what
// is wrong with one is analyze.ts. Routes of delegates are put in their place in delegate.ts.
import type { Resource } from '../kinds/resource.js';
import type { Destination, VirtualServiceSpec } from '../kinds/virtual-service.js';
import { memoize } from '../lib/memo.js';
import { resolveGateway, resolveHost } from './host-name.js';
import type { MeshSettings } from './mesh-settings.js';
import type { HttpRule, TcpRule, TlsRule, VirtualService } from './rules.js';
import { resolveVisibility } from './visibility.js';

interface Context {
  namespace: string;
  domainSuffix: string;
}

/** The VirtualService as the mesh keeps it; the same object for the same resource and settings. */
export const meshVirtualService = memoize(
  (settings: MeshSettings, resource: Resource): VirtualService => {
    const spec = resource.spec as VirtualServiceSpec;
    const { namespace } = resource;
    const context = { namespace, domainSuffix: settings.domainSuffix };
    const gateways = spec.gateways ?? [];
    return {
      source: { kind: resource.kind, namespace, name: resource.name },
      age: resource.age,
      hosts: (spec.hosts ?? []).map((host) => resolveHost(host, namespace, settings.domainSuffix)),
      gateways:
        gateways.length === 0 ? ['mesh'] : gateways.map((name) => resolveGateway(name, namespace)),
      visibility: resolveVisibility(
        spec.exportTo,
        namespace,
        settings.defaultVirtualServiceExportTo,
      ),
      http: (spec.http ?? []).map((rule) => httpRule(rule, context)),
      tcp: (spec.tcp ?? []).map((rule) => routedRule(rule, context)),
      tls: (spec.tls ?? []).map((rule) => routedRule(rule, context)),
    };
  },
);

function httpRule(rule: HttpRule, context: Context): HttpRule {
  return {
    ...routedRule(rule, context),
    ...(rule.mirror && { mirror: destination(rule.mirror, context) }),
    ...(rule.mirrors && {
      mirrors: rule.mirrors.map((mirror) => ({
        ...mirror,
        destination: destination(mirror.destination, context),
      })),
    }),
  };
}

function routedRule<Rule extends HttpRule | TcpRule | TlsRule>(rule: Rule, context: Context): Rule {
  return {
    ...rule,
    ...(rule.match && { match: rule.match.map((match) => resolvedMatch(match, context)) }),
    ...(rule.route && {
      route: rule.route.map((to) => ({
        ...to,
        destination: destination(to.destination, context),
      })),
    }),
  };
}

function resolvedMatch<Match extends { gateways?: string[] | undefined }>(
  match: Match,
  { namespace }: Context,
): Match {
  if (match.gateways === undefined) return match;
  return { ...match, gateways: match.gateways.map((name) => resolveGateway(name, namespace)) };
}

function destination(to: Destination, { namespace, domainSuffix }: Context): Destination {
  const host = resolveHost(to.host, namespace, domainSuffix);
  return host === to.host ? to : { ...to, host };
}
