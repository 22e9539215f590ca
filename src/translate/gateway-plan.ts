// Which listeners and routes a router needs: the one place that decides which servers of Gateways share a listener,
// which of two that cannot is refused, and what is refused for its certificates. No Envoy message is made here: a plan
// is plain data, and equal plans are the same object, so that a listener is built again only when something in it
// changes.
import { interner } from '../lib/intern.js';
import { memoize, sameOr } from '../lib/memo.js';
import type { Gateway, GatewayOptions, GatewayServer } from '../mesh/gateway.js';
import type { GatewayScope, ProxyView } from '../mesh/proxy-view.js';
import type { Problem } from '../mesh/rules.js';
import type { Secrets } from '../mesh/secret.js';
import {
  type BoundAddresses,
  boundAddresses,
  isWildcardAddress,
  placeKey,
} from './gateway-address.js';
import { autoPassthroughChains } from './gateway-auto-passthrough.js';
import { serverNamesOf } from './gateway-hosts.js';
import {
  type BoundServer,
  boundServer,
  classOf,
  isTerminated,
  type PlanContext,
  type ServerClass,
} from './gateway-server.js';
import { passthroughChains, tcpChain } from './gateway-tcp.js';
import { isReserved } from './listener-address.js';
import { gatewayRouteName, gatewayTlsRouteName, listenerName } from './names.js';
import { type Credentials, credentialsOf } from './server-credentials.js';
import type { ServerTlsPlan } from './server-tls.js';
import type { TcpTarget } from './tcp-proxy.js';
import { connectionRules } from './tcp-route.js';

/** One filter chain of a gateway's listener. */
export interface GatewayChainPlan {
  /** Server names that it is for; absent: all. */
  serverNames?: readonly string[];
  tls?: ServerTlsPlan;
  /** What is behind it: routes by RDS, or clusters. */
  http?: {
    route: string;
    grpcWeb: boolean;
    options: GatewayOptions;
    /** The port that clients of HTTP/3 are told: that of the server, which they call, not of the listener. */
    http3Port?: number;
  };
  tcp?: TcpTarget;
}

/** One listener. Equal plans are the same object. */
export interface GatewayListenerPlan {
  name: string;
  /** First the primary address; a Unix socket stands alone. */
  addresses: readonly string[];
  port: number;
  /** Connections are TLS: told apart by server name, now or after an edit, which is not to change the listener. */
  inspects: boolean;
  chains: readonly GatewayChainPlan[];
  /** The chains that are served over QUIC too; absent: none. */
  quic?: readonly GatewayChainPlan[];
}

/** One route configuration. `servers` is the same array while it is equal. */
export interface GatewayRoutePlan {
  name: string;
  /** The listener's port. */
  port: number;
  servers: readonly BoundServer[];
}

/** What became of one server. */
export interface ServerState {
  gateway: Gateway;
  server: GatewayServer;
  listenerPort: number;
  /** Why it is not served; absent: it is. */
  refused?: string;
}

export interface GatewayPlan {
  listeners: readonly GatewayListenerPlan[];
  routes: readonly GatewayRoutePlan[];
  /** Servers that are refused, and why. */
  problems: readonly Problem[];
  /** In the order of the Gateways and their servers. */
  servers: readonly ServerState[];
}

const nothing: GatewayPlan = { listeners: [], routes: [], problems: [], servers: [] };

/** Decides what a router serves; nothing for sidecars. The same object for the same parts of the view. */
export function gatewayPlan(view: ProxyView): GatewayPlan {
  const { gateway, outbound, secrets, settings, proxy } = view;
  if (gateway === undefined) return nothing;
  const rules = connectionRules(gateway.virtualServices);
  return planOf(
    gateway.gateways,
    gateway.ports,
    rules,
    outbound.services,
    settings,
    secrets,
    proxy,
  );
}

const planOf = memoize(
  (
    gateways: GatewayScope['gateways'],
    ports: GatewayScope['ports'],
    virtualServices: GatewayScope['virtualServices'],
    services: ProxyView['outbound']['services'],
    settings: ProxyView['settings'],
    secrets: Secrets | undefined,
    proxy: ProxyView['proxy'],
  ): GatewayPlan =>
    new Planner({ gateways, ports, virtualServices, services, settings, secrets, proxy }).plan(),
);

/** A listener while servers are added to it. */
interface Place {
  /** What is a part of the name of its route: empty at any address. */
  bind: string;
  addresses: readonly string[];
  port: number;
  kind: ServerClass;
  first: BoundServer;
  chains: GatewayChainPlan[];
  quic: GatewayChainPlan[];
  /** Server names that have a chain; `*` is all. */
  names: Map<string, BoundServer>;
  routes: Map<string, BoundServer[]>;
}

const internListener = interner<GatewayListenerPlan>();
const lastServers = memoize(
  (_gateways: object, _name: string): { servers?: readonly BoundServer[] } => ({}),
);

class Planner {
  readonly #context: PlanContext;
  readonly #places = new Map<string, Place>();
  readonly #problems: Problem[] = [];

  constructor(context: PlanContext) {
    this.#context = context;
  }

  plan(): GatewayPlan {
    const { gateways, ports } = this.#context;
    const listenerPorts = new Map(ports.map(({ port, listenerPort }) => [port, listenerPort]));
    const servers = gateways.flatMap((gateway) =>
      gateway.servers.map((server): ServerState => {
        const { number } = server.port;
        const bound = boundServer(gateway, server, listenerPorts.get(number) ?? number);
        const refused = this.#add(bound);
        return { ...bound, ...(refused !== undefined && { refused }) };
      }),
    );
    const places = [...new Set(this.#places.values())];
    return {
      listeners: places.flatMap((place) => this.#listener(place) ?? []),
      routes: places.flatMap((place) =>
        [...place.routes].map((route) => this.#route(place, route)),
      ),
      problems: this.#problems,
      servers,
    };
  }

  /** Adds a server to the listener of its place; the reason when it is refused. */
  #add(bound: BoundServer): string | undefined {
    const { server, listenerPort } = bound;
    const kind = classOf(server);
    const at = boundAddresses(server.bind, this.#context.proxy);
    if (at.addresses.some(isWildcardAddress) && isReserved(listenerPort, this.#context.settings)) {
      return this.#refuse(
        bound,
        'reserved-port',
        `port ${listenerPort} is one of the proxy's own`,
        ['port'],
      );
    }
    const keys = at.addresses.map((address) => placeKey(address, listenerPort));
    const place = this.#places.get(keys[0]!);
    if (place !== undefined && (place.kind !== kind || kind === 'tcp')) {
      return this.#refuse(bound, 'gateway-conflict', conflict(bound, place), ['port', 'protocol']);
    }
    // Of two listeners Envoy would refuse the one that has an address of the other.
    const other = keys.map((key) => this.#places.get(key)).find((each) => each !== place);
    const meets = other ?? (place?.addresses.length === keys.length ? undefined : place);
    if (meets !== undefined) {
      const why = `${describe(meets.first)} has ${meets.addresses.join(' and ')} at port ${listenerPort}`;
      return this.#refuse(bound, 'gateway-conflict', why, ['bind']);
    }
    const target = place ?? newPlace(bound, kind, at);
    const refused = this.#addTo(target, bound);
    if (place === undefined && refused === undefined) {
      for (const key of keys) this.#places.set(key, target);
    }
    return refused;
  }

  #addTo(place: Place, bound: BoundServer): string | undefined {
    switch (place.kind) {
      case 'http':
        return this.#addHttp(place, bound);
      case 'tcp':
        return this.#addTcp(place, bound);
      case 'tls':
        return isTerminated(bound.server)
          ? this.#addTerminated(place, bound)
          : this.#addPassthrough(place, bound);
    }
  }

  #addHttp(place: Place, bound: BoundServer): undefined {
    const route = gatewayRouteName(place.port, place.bind);
    const servers = place.routes.get(route);
    const grpcWeb = bound.server.port.protocol === 'GRPC-WEB';
    if (servers === undefined) {
      place.routes.set(route, [bound]);
      place.chains.push({ http: { route, grpcWeb, options: bound.gateway.options } });
      return undefined;
    }
    servers.push(bound);
    const [chain] = place.chains;
    const more = Object.keys(bound.gateway.options).length > 0;
    if (chain?.http && (grpcWeb || more)) {
      const { options } = chain.http;
      place.chains[0] = {
        http: {
          route,
          grpcWeb: chain.http.grpcWeb || grpcWeb,
          options: { ...bound.gateway.options, ...options },
        },
      };
    }
    return undefined;
  }

  #addTcp(place: Place, bound: BoundServer): undefined {
    const tcp = tcpChain(bound, this.#context);
    if (tcp !== undefined) place.chains.push({ tcp });
    return undefined;
  }

  #addTerminated(place: Place, bound: BoundServer): string | undefined {
    const { gateway, server } = bound;
    const { tls } = server;
    if (tls === undefined) return undefined;
    const { secrets, proxy } = this.#context;
    const found = credentialsOf(tls, secrets, proxy.meshCertificate);
    if ('problem' in found) {
      const istio = found.missing && { istio: 'IST0101' };
      return this.#refuse(bound, 'invalid-credential', found.problem, ['tls', found.field], istio);
    }
    const isHttp = server.port.protocol === 'HTTPS';
    const route = gatewayTlsRouteName(server.port, gateway.name, place.bind);
    // Names with dots: `a.b` of Gateway `c`, and `a` of `b.c`. One would answer with the routes of the other.
    const [same] = place.routes.get(route) ?? [];
    if (isHttp && same !== undefined) {
      const why = `its routes would have the same name as those of ${describe(same)}`;
      return this.#refuse(bound, 'gateway-conflict', why, ['port', 'name']);
    }
    const serverNames = this.#claim(place, bound, serverNamesOf(server));
    if (serverNames === undefined) return this.#allTaken(place, bound);
    const plan: ServerTlsPlan = {
      settings: tls,
      credentials: found,
      alpn: isHttp ? ['h2', 'http/1.1'] : [],
      // Istio's least, whatever Envoy's is.
      leastVersion: 'TLSV1_2',
    };
    const match = serverNames.includes('*') ? {} : { serverNames };
    if (!isHttp) {
      const tcp = tcpChain(bound, this.#context);
      if (tcp !== undefined) place.chains.push({ ...match, tls: plan, tcp });
      return undefined;
    }
    const overQuic =
      gateway.options.http3 === true &&
      !server.bind.startsWith('unix:') &&
      this.#canBeOverQuic(bound, found);
    place.routes.set(route, [bound]);
    const chain = {
      ...match,
      tls: plan,
      http: {
        ...{ route, grpcWeb: false, options: gateway.options },
        ...(overQuic && { http3Port: server.port.number }),
      },
    };
    place.chains.push(chain);
    if (overQuic) place.quic.push(chain);
    return undefined;
  }

  /**
   * A secret that Envoy cannot use over QUIC would be refused for TCP with it. Client certificates are checked over QUIC
   * since Envoy 1.40; older ones refuse such a listener, or leave the check out.
   */
  #canBeOverQuic(bound: BoundServer, { certificates, root }: Credentials): boolean {
    if (root !== undefined && !isEnvoy(this.#context.proxy.envoyVersion, 40)) return false;
    const wrong = certificates.find(
      (source) =>
        'credential' in source &&
        this.#context.secrets?.get(source.credential)?.certificate?.notOverQuic,
    );
    if (wrong === undefined || !('credential' in wrong)) return true;
    this.#report(bound, 'warning', {
      code: 'invalid-credential',
      message: `the server is not served over HTTP/3, where Envoy cannot use the key of the Secret ${wrong.credential}`,
      path: ['tls'],
    });
    return false;
  }

  #addPassthrough(place: Place, bound: BoundServer): string | undefined {
    const chains =
      bound.server.tls?.mode === 'AUTO_PASSTHROUGH'
        ? autoPassthroughChains(bound.server, this.#context.services)
        : passthroughChains(bound, this.#context);
    let served = chains.length === 0;
    const lost: string[] = [];
    for (const { serverNames, tcp } of chains) {
      const own = this.#claim(place, bound, serverNames);
      if (own === undefined) lost.push(...serverNames);
      else place.chains.push(own.includes('*') ? { tcp } : { serverNames: own, tcp });
      served ||= own !== undefined;
    }
    if (!served) return this.#allTaken(place, bound);
    // One rule that comes too late for its names takes nothing from the others.
    if (lost.length > 0) this.#warnTaken(place, bound, [...new Set(lost)]);
    return undefined;
  }

  /** The names that no chain of the place has yet, taken for this server; undefined when there are none. */
  #claim(
    place: Place,
    bound: BoundServer,
    names: readonly string[],
  ): readonly string[] | undefined {
    const free = names.filter((name) => !place.names.has(name));
    if (free.length === 0) return undefined;
    for (const name of free) place.names.set(name, bound);
    const taken = names.filter((name) => !free.includes(name));
    if (taken.length > 0) this.#warnTaken(place, bound, taken);
    return free;
  }

  #warnTaken(place: Place, bound: BoundServer, taken: readonly string[]): void {
    const other = place.names.get(taken[0]!)!;
    const owner = other === bound ? 'an older rule of this server' : describe(other);
    this.#report(bound, 'warning', {
      code: 'gateway-conflict',
      message: `${taken.join(', ')}: ${owner} has it on port ${place.port} already`,
      path: ['hosts'],
    });
  }

  #allTaken(place: Place, bound: BoundServer): string {
    const [name = ''] = serverNamesOf(bound.server).filter((each) => place.names.has(each));
    const other = place.names.get(name) ?? place.first;
    const why = `${describe(other)} has all its hosts on port ${place.port} already`;
    return this.#refuse(bound, 'gateway-conflict', why, ['hosts']);
  }

  #refuse(
    bound: BoundServer,
    code: 'gateway-conflict' | 'invalid-credential' | 'reserved-port',
    why: string,
    path: readonly string[],
    more?: Pick<Problem, 'istio'>,
  ): string {
    const message = `the server is not served: ${why}`;
    this.#report(bound, 'error', { code, message, path, ...more });
    return why;
  }

  #report(
    { gateway, server }: BoundServer,
    severity: Problem['severity'],
    found: Pick<Problem, 'code' | 'message' | 'istio'> & { path: readonly string[] },
  ): void {
    const path = [...server.path, ...found.path];
    this.#problems.push({ ...found, severity, resource: gateway.source, path });
  }

  #listener({ addresses, port, kind, chains, quic }: Place): GatewayListenerPlan | undefined {
    if (chains.length === 0) return undefined;
    const plan: GatewayListenerPlan = {
      name: listenerName(addresses[0]!, port),
      addresses,
      port,
      inspects: kind === 'tls',
      chains: sorted(chains),
      ...(quic.length > 0 && { quic: sorted(quic) }),
    };
    return internListener(JSON.stringify(plan), plan);
  }

  #route({ port }: Place, [name, servers]: [string, BoundServer[]]): GatewayRoutePlan {
    const last = lastServers(this.#context.gateways, name);
    last.servers = sameOr(last.servers, servers);
    return { name, port, servers: last.servers };
  }
}

/** Their order means nothing to Envoy, and is not to depend on the age of Gateways, of which files say nothing. */
function sorted(chains: readonly GatewayChainPlan[]): readonly GatewayChainPlan[] {
  const key = ({ serverNames }: GatewayChainPlan) => serverNames?.[0] ?? '\uffff';
  return chains.toSorted((a, b) => (key(a) < key(b) ? -1 : key(a) > key(b) ? 1 : 0));
}

function newPlace(
  first: BoundServer,
  kind: ServerClass,
  { addresses, isAnywhere }: BoundAddresses,
): Place {
  const { bind } = first.server;
  return {
    bind: isAnywhere ? '' : bind,
    addresses,
    port: first.listenerPort,
    kind,
    first,
    chains: [],
    quic: [],
    names: new Map(),
    routes: new Map(),
  };
}

function conflict({ listenerPort, server }: BoundServer, { first }: Place): string {
  const own = server.port.protocol;
  return `port ${listenerPort} is of ${describe(first)} (${first.server.port.protocol}), and ${own} cannot share it`;
}

function describe({ gateway, server }: BoundServer): string {
  return `the server ${server.name || server.port.name} of Gateway ${gateway.name}`;
}

/** Whether an Envoy is of release 1.`minor` or newer; one that does not say is not. */
function isEnvoy(version: string, minor: number): boolean {
  const [major = 0, own = 0] = version.split('.').map(Number);
  return major > 1 || (major === 1 && own >= minor);
}
