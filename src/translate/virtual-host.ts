// The virtual hosts of one listener port: for every service, for hosts that only VirtualServices name, and for all
// the rest. No two have a domain in common, as Envoy refuses that: the first one keeps it.
import type { Route } from '../envoy/gen/types/envoy/config/route/v3/Route.js';
import type { VirtualHost } from '../envoy/gen/types/envoy/config/route/v3/VirtualHost.js';
import { memoize } from '../lib/memo.js';
import { mapAgain, type Replacement, replaceAt, replacements } from '../lib/replaced.js';
import { isWildcard } from '../mesh/host-name.js';
import type { MeshSettings } from '../mesh/mesh-settings.js';
import type { ProxyTraits, ServiceView } from '../mesh/proxy-view.js';
import type { VirtualService } from '../mesh/rules.js';
import { destinationHosts, servicesByName } from './destination.js';
import { hostsOf, overlaps, rulesFor } from './host-rules.js';
import { defaultRoutes, httpRoutes, type RouteClient } from './http-routes.js';
import { ALLOW_ANY_VIRTUAL_HOST, BLOCK_ALL_VIRTUAL_HOST, virtualHostName } from './names.js';
import { countsAttempts } from './proxy-settings.js';
import { forwardedHost, timeouts } from './route-action.js';
import { EVERY_REQUEST } from './route-match.js';
import { sameServices } from './service-views.js';
import { unknownHttpCluster } from './tcp-proxy.js';
import {
  aliasDomains,
  hostDomain,
  type ServiceDomains,
  serviceDomains,
} from './virtual-host-domains.js';

/** What the virtual hosts of a port are made of. */
export interface PortHosts {
  port: number;
  /** Services that get a virtual host, sorted by hostname. */
  services: readonly ServiceView[];
  /** All visible services: what findService finds. */
  outbound: readonly ServiceView[];
  /** All services that have this port, whatever its protocol: hosts of these are not "unknown". */
  registry: ReadonlySet<string>;
  /** Oldest first. */
  virtualServices: readonly VirtualService[];
  client: RouteClient;
}

/** A virtual host to be, before domains are given out. */
interface Candidate {
  host: string;
  routes: readonly Route[];
  domains: ServiceDomains;
  /** Whose routes they are. */
  rule?: VirtualService;
  /** Without a rule: the service that they are for. */
  view?: ServiceView;
}

/** What was built last of the same hostnames: where only rules changed, and not their hosts, most of it stands. */
interface LastBuilt extends Partial<Pick<PortHosts, 'services' | 'outbound' | 'virtualServices'>> {
  built?: readonly BuiltHost[];
  made?: readonly VirtualHost[];
}

/** A virtual host and the rule that its routes are of, or the service without a rule; neither: the catch-all. */
interface BuiltHost {
  host: VirtualHost;
  rule?: VirtualService | undefined;
  view?: ServiceView | undefined;
}

/** `registry` stands for the hostnames of all visible services that have the port. */
const lastBuilt = memoize(
  (
    _settings: MeshSettings,
    _proxy: ProxyTraits,
    _registry: ReadonlySet<string>,
    _port: number,
  ): LastBuilt => ({}),
);

/** All virtual hosts of a port, sorted by name, the catch-all last. The same array while they are the same. */
export function portVirtualHosts(hosts: PortHosts): readonly VirtualHost[] {
  const { services, outbound, registry, port, client, virtualServices } = hosts;
  const last = lastBuilt(client.settings, client.proxy, registry, port);
  const built = amended(last, hosts) ?? buildAll(hosts);
  const before = last.built && last.made && { list: last.built, made: last.made };
  const made = mapAgain(built, ({ host }) => host, before);
  Object.assign(last, { built, made, services, outbound, virtualServices });
  return made;
}

/** Undefined when the edit may give a domain to somebody else: then all of them are given out anew. */
function amended(last: LastBuilt, hosts: PortHosts): readonly BuiltHost[] | undefined {
  const { virtualServices, client } = hosts;
  const changes = last.virtualServices && replacements(last.virtualServices, virtualServices);
  const views = changedViews(last, hosts);
  if (changes === undefined || views === undefined || last.built === undefined) return undefined;
  const nextOf = new Map<VirtualService, VirtualService>();
  for (const { before, after } of changes) {
    if (!sameHosts(before, after)) return undefined;
    if (!mayServe(after, hosts)) continue;
    const serves = (rule: VirtualService) => httpRoutes(rule, client).length > 0;
    if (serves(before) !== serves(after)) return undefined;
    nextOf.set(before, after);
  }
  const { byView, byName } = views;
  if (nextOf.size + byView.size + byName.size === 0) return last.built;
  const leadsToChanged = (rule: VirtualService) =>
    byName.size > 0 && destinationHosts(rule).some((host) => byName.has(host));
  const anew: Replacement<BuiltHost>[] = [];
  for (const [index, before] of last.built.entries()) {
    const view = before.view && byView.get(before.view);
    const rule = before.rule && (nextOf.get(before.rule) ?? before.rule);
    if (view) anew.push({ index, before, after: madeAnew(before, hosts, { view }) });
    else if (rule && (rule !== before.rule || leadsToChanged(rule))) {
      anew.push({ index, before, after: madeAnew(before, hosts, { rule }) });
    }
  }
  return replaceAt(last.built, anew);
}

/** Whether a rule can have a virtual host at the port at all; `candidates` says which do. */
function mayServe(rule: VirtualService, { port, registry }: PortHosts): boolean {
  return port === 80 || hostsOf(rule).some((host) => isWildcard(host) || registry.has(host));
}

/** Services that only another DestinationRule is in force for; undefined when there are other changes. */
function changedViews({ services, outbound }: LastBuilt, hosts: PortHosts) {
  const own = services && replacements(services, hosts.services);
  const all = outbound && replacements(outbound, hosts.outbound);
  if (own === undefined || all === undefined) return undefined;
  if (!sameServices([...own, ...all])) return undefined;
  return {
    byView: new Map(own.map(({ before, after }) => [before, after])),
    byName: servicesByName(all.map(({ after }) => after)),
  };
}

/** The same host with routes made anew. */
function madeAnew(
  { host: { name = '', domains = [] } }: BuiltHost,
  { client, port }: PortHosts,
  of: { rule: VirtualService } | { view: ServiceView },
): BuiltHost {
  const routes =
    'rule' in of ? httpRoutes(of.rule, client) : defaultRoutes(client.settings, port, of.view);
  const attempts = countsAttempts(client.settings);
  return { ...of, host: virtualHost(routes, name, domains.join(' '), attempts) };
}

function sameHosts(a: VirtualService, b: VirtualService): boolean {
  const [before, after] = [hostsOf(a), hostsOf(b)];
  return before.length === after.length && before.every((host, i) => host === after[i]);
}

function buildAll(hosts: PortHosts): readonly BuiltHost[] {
  const fullNames = new Set(hosts.services.map((view) => view.service.hostname.toLowerCase()));
  const names = new Set<string>();
  const taken = new Set<string>();
  const built: BuiltHost[] = [];
  const attempts = countsAttempts(hosts.client.settings);
  for (const { host, routes, domains, rule, view } of candidates(hosts)) {
    const name = virtualHostName(hostDomain(host), hosts.port);
    if (names.has(name)) continue;
    names.add(name);
    const own = domains.all.filter(
      (domain) => !taken.has(domain) && !(domains.short.includes(domain) && fullNames.has(domain)),
    );
    if (own.length === 0) continue;
    for (const domain of own) taken.add(domain);
    built.push({ host: virtualHost(routes, name, own.join(' '), attempts), rule, view });
  }
  built.sort((a, b) => compare(a.host.name ?? '', b.host.name ?? ''));
  return taken.has('*') ? built : [...built, { host: catchAll(hosts.client.settings) }];
}

/** The virtual host of one sniffed service at its own address: whatever host the client names, it is this one. */
export function sniffedVirtualHost(view: ServiceView, hosts: PortHosts): VirtualHost {
  const { hostname } = view.service;
  const { settings } = hosts.client;
  const routes = ruleInForce(view, hosts)?.routes ?? defaultRoutes(settings, hosts.port, view);
  const name = virtualHostName(hostDomain(hostname), hosts.port);
  return virtualHost(routes, name, '*', countsAttempts(settings));
}

/** Hosts of VirtualServices come first, in the order of their age, so that theirs are the domains in doubt. */
function candidates(hosts: PortHosts): Candidate[] {
  const { services, virtualServices, client, port } = hosts;
  const served = new Set(services.map((view) => view.service.hostname.toLowerCase()));
  const byRule = new Map<VirtualService, Candidate[]>();
  const plain: Candidate[] = [];
  for (const view of services) {
    const host = view.service.hostname.toLowerCase();
    const domains = serviceDomains(view.service, client.proxy);
    const found = ruleInForce(view, hosts);
    if (found === undefined) {
      plain.push({ host, domains, view, routes: defaultRoutes(client.settings, port, view) });
    } else {
      const covered = byRule.get(found.rule) ?? [];
      byRule.set(found.rule, covered);
      covered.push({ host, domains, ...found });
    }
  }
  const fromRules = virtualServices.flatMap((rule) => {
    const covered = byRule.get(rule) ?? [];
    // Istio serves unknown hosts on port 80, and elsewhere when the rule also names a service of that port.
    const wanted =
      port === 80 || covered.length > 0 || hostsOf(rule).some((host) => served.has(host));
    return wanted ? [...unknownHosts(rule, hosts), ...covered] : [];
  });
  return [...aliasCandidates(hosts), ...fromRules, ...plain];
}

/**
 * ExternalName services with a rule of their own: its routes hold for their names, and the service behind them keeps
 * its own. A rule by wildcard counts where the service itself has none. Other aliases are domains of the service.
 */
function aliasCandidates(hosts: PortHosts): Candidate[] {
  const { services, virtualServices, client } = hosts;
  return services.flatMap((view) =>
    (view.service.aliases ?? []).flatMap((alias) => {
      const host = alias.toLowerCase();
      for (const rule of rulesFor(virtualServices, host)) {
        if (!hostsOf(rule).includes(host) && ruleInForce(view, hosts) !== undefined) continue;
        const routes = httpRoutes(rule, client);
        if (routes.length > 0) {
          return [{ host, routes, rule, domains: aliasDomains(host, client.proxy) }];
        }
      }
      return [];
    }),
  );
}

function ruleInForce(view: ServiceView, { virtualServices, client }: PortHosts) {
  for (const rule of rulesFor(virtualServices, view.service.hostname)) {
    const routes = httpRoutes(rule, client);
    if (routes.length > 0) return { rule, routes };
  }
  return undefined;
}

/** Hosts of a rule that are no services of this port, with its routes. */
function unknownHosts(rule: VirtualService, { registry, client }: PortHosts): Candidate[] {
  const unknown = hostsOf(rule).filter((host) =>
    isWildcard(host) ? ![...registry].some((known) => overlaps(known, host)) : !registry.has(host),
  );
  if (unknown.length === 0) return [];
  const routes = httpRoutes(rule, client);
  if (routes.length === 0) return [];
  return unknown.map((host) => ({
    host,
    routes,
    rule,
    domains: { all: [hostDomain(host)], short: [] },
  }));
}

const virtualHost = memoize(
  (routes: readonly Route[], name: string, domains: string, attempts: boolean): VirtualHost => ({
    name,
    domains: domains.split(' '),
    routes: routes as Route[],
    include_request_attempt_count: attempts,
  }),
);

/** Hosts that nobody knows: passed through to where the client wanted to go, or refused. */
const catchAll = memoize((settings: MeshSettings): VirtualHost => {
  const allowed = settings.outboundTrafficPolicy !== 'REGISTRY_ONLY';
  const name = allowed ? ALLOW_ANY_VIRTUAL_HOST : BLOCK_ALL_VIRTUAL_HOST;
  const action: Route = allowed
    ? {
        route: {
          cluster: unknownHttpCluster(settings),
          ...timeouts(undefined),
          ...forwardedHost(settings),
        },
      }
    : { direct_response: { status: 502 } };
  return {
    name,
    domains: ['*'],
    routes: [{ name, match: EVERY_REQUEST, ...action }],
    include_request_attempt_count: countsAttempts(settings),
  };
});

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
