// Sidecar resources: which one counts for a proxy, and what its egress hosts let it see. What a scope is made of is
// scope.ts; ports that a Sidecar serves are sidecar-ingress.ts.

import type { Resource } from '../kinds/resource.js';
import type { SidecarSpec } from '../kinds/sidecar.js';
import { memoize } from '../lib/memo.js';
import { hasLabels } from './has-labels.js';
import { hostCovers, isWildcard, resolveHost } from './host-name.js';
import type { MeshSettings } from './mesh-settings.js';
import { serviceEntryProtocol } from './protocol.js';
import type { Proxy as ConnectedProxy } from './proxy.js';
import type { ResourceId, VirtualService } from './rules.js';
import type { Protocol, Service } from './service.js';

/** A Sidecar as the mesh keeps it. */
export interface Sidecar {
  source: ResourceId;
  /** Labels of the workloads it is for; absent: all of the namespace. */
  selector?: Readonly<Record<string, string>>;
  /** In the order written; none: everything is seen. */
  egress: readonly EgressScope[];
  ingress: NonNullable<SidecarSpec['ingress']>;
  inboundConnectionPool?: SidecarSpec['inboundConnectionPool'];
  outboundTrafficPolicy?: SidecarSpec['outboundTrafficPolicy'];
}

/** Where the listeners of one entry of `egress` stand, and what is spoken there. */
export interface EgressPlace {
  /** The port that it is for; absent for all other ports. */
  port?: number;
  /** What is spoken at that port, whatever services say of theirs; absent: what they say. */
  protocol?: Protocol;
  /** An HTTP proxy stands at that port, and leads to all ports of the hosts. */
  httpProxy?: true;
  /** The Unix socket that it is for, with all ports of the hosts. */
  socket?: UnixSocket;
  /** An IP address; by the mode of interception when absent. */
  bind?: string;
  /** False: listeners are really bound, and nothing is captured for them; undefined: by the mode of interception. */
  captured?: boolean;
}

/** What one entry of `egress` lets see. */
export interface EgressScope extends EgressPlace {
  hosts: readonly EgressHost[];
}

/** A Unix socket where clients call services. */
export interface UnixSocket {
  /** A path, or a name after `@`. */
  path: string;
  /** What clients speak there. */
  protocol: Protocol;
}

/** One `NAMESPACE/HOST` entry. */
export interface EgressHost {
  /** `.`, `*` or a name. */
  namespace: string;
  host: string;
  excluded: boolean;
}

/** Sidecars by namespace, those with a selector first, each group oldest first. */
export interface Sidecars {
  byNamespace: ReadonlyMap<string, readonly Sidecar[]>;
  rootNamespace: string;
}

/** Indexes Sidecars that are sorted oldest first. */
export const sidecarIndex = memoize(
  (resources: readonly Resource[], settings: MeshSettings): Sidecars => {
    const byNamespace = new Map<string, Sidecar[]>();
    for (const resource of resources) {
      const all = byNamespace.get(resource.namespace) ?? [];
      byNamespace.set(resource.namespace, all);
      all.push(meshSidecar(settings, resource));
    }
    for (const all of byNamespace.values()) {
      all.sort((a, b) => Number(a.selector === undefined) - Number(b.selector === undefined));
    }
    return { byNamespace, rootNamespace: settings.rootNamespace };
  },
);

/**
 * The Sidecar for a proxy: the oldest of its namespace that selects it, else the oldest of it without a selector, else
 * the oldest without one of the root namespace (Istio API, Sidecar).
 */
export function sidecarOf(
  { byNamespace, rootNamespace }: Sidecars,
  proxy: Pick<ConnectedProxy, 'type' | 'namespace' | 'labels'>,
): Sidecar | undefined {
  if (byNamespace.size === 0 || proxy.type !== 'sidecar') return undefined;
  const own = byNamespace
    .get(proxy.namespace)
    ?.find(({ selector }) => hasLabels(proxy.labels, selector));
  return own ?? byNamespace.get(rootNamespace)?.find(({ selector }) => selector === undefined);
}

const meshSidecar = memoize((settings: MeshSettings, resource: Resource): Sidecar => {
  const spec = resource.spec as SidecarSpec;
  const { kind, namespace, name } = resource;
  const labels = spec.workloadSelector?.labels ?? {};
  const policy = spec.outboundTrafficPolicy;
  const proxy = policy?.egressProxy;
  return {
    source: { kind, namespace, name },
    ...(Object.keys(labels).length > 0 && { selector: labels }),
    egress: (spec.egress ?? []).map((entry) => ({
      ...egressPlace(entry),
      hosts: (entry.hosts ?? []).map(egressHost),
    })),
    ingress: spec.ingress ?? [],
    ...(spec.inboundConnectionPool && { inboundConnectionPool: spec.inboundConnectionPool }),
    ...(policy && {
      outboundTrafficPolicy: {
        ...policy,
        ...(proxy && {
          egressProxy: {
            ...proxy,
            host: resolveHost(proxy.host, namespace, settings.domainSuffix),
          },
        }),
      },
    }),
  };
});

type Egress = NonNullable<SidecarSpec['egress']>[number];

/** A port without a number stands at a Unix socket; checks have seen to it that there is one. */
function egressPlace({ port, bind = '', captureMode }: Egress): EgressPlace {
  if (port && !port.number) {
    const protocol = serviceEntryProtocol(0, port.protocol);
    return { socket: { path: bind.slice('unix://'.length), protocol } };
  }
  return { ...portPlace(port), ...(bind && { bind }), ...captured(captureMode) };
}

function portPlace(port: Egress['port']): EgressPlace {
  const { number, protocol = '' } = port ?? {};
  if (!number) return {};
  if (protocol.toUpperCase() === 'HTTP_PROXY') return { port: number, httpProxy: true };
  return {
    port: number,
    ...(protocol && { protocol: serviceEntryProtocol(number, protocol) }),
  };
}

function captured(mode: Egress['captureMode']): { captured?: boolean } {
  return mode === 'IPTABLES' || mode === 'NONE' ? { captured: mode === 'IPTABLES' } : {};
}

function egressHost(entry: string): EgressHost {
  const at = entry.indexOf('/');
  const owner = entry.slice(0, at);
  const excluded = owner.startsWith('~');
  const namespace = excluded ? owner.slice(1) || '*' : owner;
  return { namespace, host: entry.slice(at + 1), excluded };
}

/** Whether an egress entry lets clients of a namespace see services and rules. */
export class EgressFilter {
  /** Entries with the namespace that they are for, or `*`. */
  readonly included: readonly EgressHost[];
  readonly #excluded: readonly EgressHost[];
  readonly #exact = new Set<string>();
  readonly #wild: readonly EgressHost[];

  constructor({ hosts }: EgressScope, clientNamespace: string) {
    const resolved = hosts.map((entry) =>
      entry.namespace === '.' ? { ...entry, namespace: clientNamespace } : entry,
    );
    this.included = resolved.filter(({ excluded }) => !excluded);
    this.#excluded = resolved.filter(({ excluded }) => excluded);
    for (const { namespace, host } of this.included) this.#exact.add(`${namespace}/${host}`);
    this.#wild = this.included.filter(({ host }) => isWildcard(host));
  }

  /** A service is seen when an entry of its namespace, or of any, names or covers its host. */
  sees({ namespace, hostname }: Pick<Service, 'namespace' | 'hostname'>): boolean {
    if (this.#isExcluded(namespace, hostname)) return false;
    if (this.#exact.has(`${namespace}/${hostname}`) || this.#exact.has(`*/${hostname}`))
      return true;
    return this.#wild.some((entry) => isOf(entry, namespace) && hostCovers(entry.host, hostname));
  }

  /** A rule is seen when one of its hosts and an entry have a name in common, which may be by a wildcard of the rule. */
  seesRule({ source: { namespace }, hosts }: VirtualService): boolean {
    return hosts.some(
      (host) =>
        !this.#isExcluded(namespace, host) &&
        this.included.some(
          (entry) =>
            isOf(entry, namespace) &&
            (hostCovers(entry.host, host) || hostCovers(host, entry.host)),
        ),
    );
  }

  #isExcluded(namespace: string, host: string): boolean {
    return this.#excluded.some((entry) => isOf(entry, namespace) && hostCovers(entry.host, host));
  }
}

function isOf(entry: EgressHost, namespace: string): boolean {
  return entry.namespace === '*' || entry.namespace === namespace;
}
