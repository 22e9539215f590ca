// The iptables rules that send a workload's TCP traffic through its sidecar, as text for
// iptables-restore, and for TPROXY the routes that go with them. A pure function from options to text:
// the namespace launcher, the demo's containers and operators' own scripts all install the same
// rules. Running iptables is not here.
import { isIPv4, isIPv6 } from 'node:net';

/**
 * How the sidecar's own traffic is told from the app's: by its user id, or by a mark on its
 * sockets.
 */
export type Bypass = { by: 'uid'; uid: number } | { by: 'mark'; mark: number };

/**
 * What to intercept. Ports are numbers from 1 to 65535; CIDRs of the other address family are left
 * out.
 */
export interface InterceptionOptions {
  family: 'ipv4' | 'ipv6';
  bypass: Bypass;
  /**
   * REDIRECT where absent. With TPROXY the application sees the address of the caller: inbound connections keep their
   * addresses, and `interceptionRouting` is needed, too. With `bypass` by user id only; the sidecar needs CAP_NET_ADMIN.
   */
  mode?: 'REDIRECT' | 'TPROXY';
  /** Envoy's virtualOutbound listener; 15001 as in Istio. */
  outboundPort?: number;
  /** Envoy's virtualInbound listener; 15006 as in Istio. */
  inboundPort?: number;
  /**
   * Inbound ports that reach the app directly, besides the sidecar's own (admin, health, metrics).
   */
  excludeInboundPorts?: readonly number[];
  /** Destination ports of outbound calls that do not pass the sidecar. */
  excludeOutboundPorts?: readonly number[];
  /** Destination networks, `10.0.0.0/8`, of outbound calls that do not pass the sidecar. */
  excludeOutboundCidrs?: readonly string[];
  /**
   * Sends DNS queries over UDP for these name servers to the sidecar's DNS listener (15053 as in Istio). With
   * `bypass` by user id only: Envoy marks its connections, but not the queries that it sends on.
   */
  dns?: { servers: readonly string[]; port?: number };
}

/** The sidecar's own ports: admin, merged metrics, health, Prometheus (Istio's numbers). */
export const sidecarPorts: readonly number[] = [15000, 15020, 15021, 15090];

/** The user id under which sidecars run (Istio's number). */
export const sidecarUid = 1337;

const inbound = 'FAIRLEAD_IN';
const outbound = 'FAIRLEAD_OUT';
const dnsChain = 'FAIRLEAD_DNS';
/** What Envoy marks its calls of the application with (Istio's number, and that of its routing table). */
const tproxyMark = 1337;
const tproxyTable = 133;
/** Any number but 0, which is everybody else's. */
const zone = 15053;
// The multiport match takes at most 15 ports (iptables-extensions(8)).
const portsPerRuleMax = 15;

/**
 * The rules as input for `iptables-restore --noflush` (or `ip6tables-restore`). Only chains of our
 * own are filled, and the built-in ones are appended to: a container engine keeps its DNS
 * redirection in the same table. Unlike Istio, a call of a workload to its own address does not
 * pass the sidecar (`-o lo`).
 */
export function interceptionRules(options: InterceptionOptions): string {
  const dns = dnsServers(options);
  const tproxy = options.mode === 'TPROXY';
  const lines = ['*nat', ...(tproxy ? [] : [`:${inbound} - [0:0]`]), `:${outbound} - [0:0]`];
  if (dns.length > 0) lines.push(`:${dnsChain} - [0:0]`);
  if (!tproxy) {
    lines.push(...directPorts(options), redirect(inbound, options.inboundPort ?? 15006));
  }
  lines.push(`-A ${outbound} ${bypassMatch(options.bypass)} -j RETURN`);
  lines.push(`-A ${outbound} -o lo -j RETURN`);
  lines.push(...portRules(outbound, options.excludeOutboundPorts ?? []));
  // Envoy answers DNS over UDP only; over TCP the name server itself does.
  for (const server of dns) {
    lines.push(`-A ${outbound} -p tcp -d ${server} --dport 53 -j RETURN`);
  }
  for (const cidr of options.excludeOutboundCidrs ?? []) {
    if (familyOf(cidr) === options.family) lines.push(`-A ${outbound} -d ${cidr} -j RETURN`);
  }
  lines.push(redirect(outbound, options.outboundPort ?? 15001));
  if (!tproxy) lines.push(`-A PREROUTING -p tcp -j ${inbound}`);
  lines.push(`-A OUTPUT -p tcp -j ${outbound}`);
  if (dns.length > 0) lines.push(...dnsRules(options, dns));
  lines.push('COMMIT', '');
  if (tproxy) lines.push('*mangle', ...tproxyRules(options), 'COMMIT', '');
  if (dns.length > 0) lines.push('*raw', ...zoneRules(options, dns, 'A'), 'COMMIT', '');
  return lines.join('\n');
}

/**
 * What rules cannot do, as input for `ip -batch -` (`ip -6 -batch -`), or what takes it away again: the routes that
 * TPROXY needs, and with IPv6 the address that the sidecar calls the application from, of which IPv4 has 127.0.0.6 by
 * itself. Empty for REDIRECT with IPv4.
 */
export function interceptionRouting(
  { family, mode }: Pick<InterceptionOptions, 'family' | 'mode'>,
  verb: 'add' | 'del' = 'add',
): string {
  const all = family === 'ipv4' ? '0.0.0.0/0' : '::/0';
  return [
    ...(mode === 'TPROXY'
      ? [
          `rule ${verb} fwmark ${tproxyMark} lookup ${tproxyTable}`,
          `route ${verb} local ${all} dev lo table ${tproxyTable}`,
        ]
      : []),
    ...(family === 'ipv6' ? [`addr ${verb === 'add' ? 'replace' : verb} ::6/128 dev lo`] : []),
    '',
  ].join('\n');
}

/**
 * New connections from outside go to the sidecar's socket as they are. It calls the application from the address of
 * the caller, by a marked connection; the answers of the application get the mark of their connection, and by it the
 * route to the sidecar instead of the caller.
 */
function tproxyRules(options: InterceptionOptions): string[] {
  const port = options.inboundPort ?? 15006;
  return [
    `:${inbound} - [0:0]`,
    ...directPorts(options),
    `-A ${inbound} -p tcp -m conntrack --ctstate NEW -j TPROXY --on-port ${port}`,
    ...tproxyHooks('A'),
  ];
}

function tproxyHooks(verb: 'A' | 'D'): string[] {
  return [
    `-${verb} PREROUTING ! -i lo -p tcp -j ${inbound}`,
    `-${verb} OUTPUT -p tcp -m mark --mark ${tproxyMark} -j CONNMARK --save-mark`,
    `-${verb} OUTPUT -p tcp -m connmark --mark ${tproxyMark} -j CONNMARK --restore-mark`,
  ];
}

function directPorts({ excludeInboundPorts = [] }: InterceptionOptions): string[] {
  return portRules(inbound, [...sidecarPorts, ...excludeInboundPorts]);
}

/**
 * Takes the same rules away again, for namespaces that outlive the sidecar (a VM); fails where they
 * are not installed.
 */
export function interceptionRemoval(options: InterceptionOptions): string {
  const tproxy = options.mode === 'TPROXY';
  const chains = tproxy ? [outbound] : [inbound, outbound];
  const lines = ['*nat'];
  if (!tproxy) lines.push(`-D PREROUTING -p tcp -j ${inbound}`);
  lines.push(`-D OUTPUT -p tcp -j ${outbound}`);
  const dns = dnsServers(options);
  for (const server of dns) lines.push(`-D ${dnsJump(server)}`);
  if (dns.length > 0) chains.push(dnsChain);
  for (const chain of chains) lines.push(`-F ${chain}`, `-X ${chain}`);
  lines.push('COMMIT', '');
  if (tproxy) {
    lines.push('*mangle', ...tproxyHooks('D'), `-F ${inbound}`, `-X ${inbound}`, 'COMMIT', '');
  }
  if (dns.length > 0) lines.push('*raw', ...zoneRules(options, dns, 'D'), 'COMMIT', '');
  return lines.join('\n');
}

function bypassMatch(bypass: Bypass): string {
  if (bypass.by === 'uid') return `-m owner --uid-owner ${bypass.uid}`;
  return `-m mark --mark ${bypass.mark}`;
}

function redirect(chain: string, port: number): string {
  return `-A ${chain} -p tcp -j REDIRECT --to-ports ${port}`;
}

function portRules(chain: string, ports: readonly number[]): string[] {
  const sorted = [...new Set(ports)].sort((a, b) => a - b);
  const rules: string[] = [];
  for (let i = 0; i < sorted.length; i += portsPerRuleMax) {
    const list = sorted.slice(i, i + portsPerRuleMax).join(',');
    rules.push(`-A ${chain} -p tcp -m multiport --dports ${list} -j RETURN`);
  }
  return rules;
}

function dnsServers(options: InterceptionOptions): string[] {
  return (options.dns?.servers ?? []).filter((server) => familyOf(server) === options.family);
}

// The name server is matched, not all of port 53: an engine's resolver sends its own upstream
// queries from inside the same namespace, and they would loop. First in OUTPUT, because the engine
// redirects its resolver address there too.
function dnsRules(options: InterceptionOptions, servers: readonly string[]): string[] {
  const port = options.dns?.port ?? 15053;
  return [
    `-A ${dnsChain} ${bypassMatch(options.bypass)} -j RETURN`,
    `-A ${dnsChain} -p udp -j REDIRECT --to-ports ${port}`,
    ...servers.map((server) => `-I ${dnsJump(server)}`),
  ];
}

/**
 * Queries of the workload are tracked apart from those of the sidecar. Both go to port 53 of one server; the kernel
 * remembers the way of a flow by its ports for half a minute, and a query from a port that the sidecar had a moment ago
 * would go its way, past the sidecar (Istio has zones for the same reason).
 */
function zoneRules(options: InterceptionOptions, servers: readonly string[], verb: 'A' | 'D') {
  const port = options.dns?.port ?? 15053;
  const own = bypassMatch(options.bypass);
  const others = own.replace('-m owner', '-m owner !').replace('-m mark', '-m mark !');
  return [
    ...servers.map(
      (server) => `-${verb} OUTPUT -p udp -d ${server} --dport 53 ${others} -j CT --zone ${zone}`,
    ),
    `-${verb} OUTPUT -p udp --sport ${port} ${own} -j CT --zone ${zone}`,
  ];
}

function dnsJump(server: string): string {
  return `OUTPUT -p udp -d ${server} --dport 53 -j ${dnsChain}`;
}

function familyOf(cidr: string): 'ipv4' | 'ipv6' | undefined {
  const address = cidr.split('/')[0] ?? '';
  if (isIPv4(address)) return 'ipv4';
  return isIPv6(address) ? 'ipv6' : undefined;
}
