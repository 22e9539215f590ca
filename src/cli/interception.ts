// The iptables rules that send a workload's TCP traffic through its sidecar, as text for
// iptables-restore. A pure function from options to text: the namespace launcher, the demo's
// containers and operators' own scripts all install the same rules. Running iptables is not here.
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
  const lines = ['*nat', `:${inbound} - [0:0]`, `:${outbound} - [0:0]`];
  if (dns.length > 0) lines.push(`:${dnsChain} - [0:0]`);
  const direct = [...sidecarPorts, ...(options.excludeInboundPorts ?? [])];
  lines.push(...portRules(inbound, direct), redirect(inbound, options.inboundPort ?? 15006));
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
  lines.push(`-A PREROUTING -p tcp -j ${inbound}`, `-A OUTPUT -p tcp -j ${outbound}`);
  if (dns.length > 0) lines.push(...dnsRules(options, dns));
  lines.push('COMMIT', '');
  if (dns.length > 0) lines.push('*raw', ...zoneRules(options, dns, 'A'), 'COMMIT', '');
  return lines.join('\n');
}

/**
 * Takes the same rules away again, for namespaces that outlive the sidecar (a VM); fails where they
 * are not installed.
 */
export function interceptionRemoval(options: InterceptionOptions): string {
  const chains = [inbound, outbound];
  const lines = ['*nat', `-D PREROUTING -p tcp -j ${inbound}`, `-D OUTPUT -p tcp -j ${outbound}`];
  const dns = dnsServers(options);
  for (const server of dns) lines.push(`-D ${dnsJump(server)}`);
  if (dns.length > 0) chains.push(dnsChain);
  for (const chain of chains) lines.push(`-F ${chain}`, `-X ${chain}`);
  lines.push('COMMIT', '');
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
