// `fairlead interception`: prints the iptables rules that send a workload's traffic through its sidecar, for
// `iptables-restore --noflush` in the workload's network namespace. Installs nothing by itself.
import { getServers } from 'node:dns';
import { isIP } from 'node:net';
import type { Command } from 'commander';
import { ControlPlaneError } from '../../lib/error.js';
import { commaSeparated, oneOf, portNumber, wholeNumber } from '../flag-values.js';
import {
  type Bypass,
  type InterceptionOptions,
  interceptionRemoval,
  interceptionRouting,
  interceptionRules,
  sidecarUid,
} from '../interception.js';

interface Flags {
  ipv6?: boolean;
  uid: number;
  mark?: number;
  excludeInboundPorts?: string;
  excludeOutboundPorts?: string;
  excludeOutboundCidrs?: string;
  dns?: string | true;
  mode: string;
  routing?: boolean;
  remove?: boolean;
}

/** Adds the command. */
export function addInterception(program: Command): void {
  program
    .command('interception')
    .description(
      'Print the rules that capture traffic for a sidecar, for iptables-restore --noflush',
    )
    .option('--ipv6', 'rules for ip6tables-restore')
    .option(
      '--uid <uid>',
      'the user id that the sidecar runs as; its own traffic passes',
      wholeNumber,
      sidecarUid,
    )
    .option(
      '--mark <mark>',
      "tell the sidecar's traffic by SO_MARK instead of the user id",
      wholeNumber,
    )
    .option('--exclude-inbound-ports <ports>', 'ports that reach the app directly, comma-separated')
    .option('--exclude-outbound-ports <ports>', 'ports that the app calls directly')
    .option('--exclude-outbound-cidrs <cidrs>', 'networks that the app calls directly')
    .option(
      '--dns [servers]',
      'capture DNS queries (UDP) for these name servers; without a list, those of this machine',
    )
    .option(
      '--mode <mode>',
      'REDIRECT, or TPROXY: the app sees the address of the caller',
      'REDIRECT',
    )
    .option(
      '--routing',
      'what TPROXY, or IPv6, needs besides rules, for ip -batch - (ip -6 -batch -)',
    )
    .option('--remove', 'what takes the others away again')
    .action((flags: Flags) => {
      const options = toOptions(flags);
      if (flags.routing) {
        const routing = interceptionRouting(options, flags.remove ? 'del' : 'add');
        if (routing === '') {
          throw new ControlPlaneError('usage', '--routing is for --mode TPROXY and for --ipv6');
        }
        process.stdout.write(routing);
        return;
      }
      process.stdout.write(
        flags.remove ? interceptionRemoval(options) : interceptionRules(options),
      );
    });
}

function toOptions(flags: Flags): InterceptionOptions {
  const ports = (text = '') => commaSeparated([text]).map(portNumber);
  if (flags.dns !== undefined && flags.mark !== undefined) {
    const reason = 'Envoy marks its connections, but not its DNS queries';
    throw new ControlPlaneError('usage', `--dns needs --uid instead of --mark: ${reason}`);
  }
  const mode = oneOf('--mode', flags.mode, ['REDIRECT', 'TPROXY']);
  if (mode === 'TPROXY' && flags.mark !== undefined) {
    const reason = 'a mark tells the calls of the app';
    throw new ControlPlaneError('usage', `--mode TPROXY needs --uid instead of --mark: ${reason}`);
  }
  const bypass: Bypass =
    flags.mark === undefined ? { by: 'uid', uid: flags.uid } : { by: 'mark', mark: flags.mark };
  return {
    family: flags.ipv6 ? 'ipv6' : 'ipv4',
    bypass,
    mode,
    excludeInboundPorts: ports(flags.excludeInboundPorts),
    excludeOutboundPorts: ports(flags.excludeOutboundPorts),
    excludeOutboundCidrs: commaSeparated([flags.excludeOutboundCidrs ?? '']).map(network),
    ...(flags.dns !== undefined && { dns: { servers: nameServers(flags.dns) } }),
  };
}

/** Addresses of name servers; as Node reads them from resolv.conf when none are given. */
function nameServers(given: string | true): string[] {
  const servers = given === true ? getServers() : commaSeparated([given]);
  const wrong = servers.find((server) => isIP(server) === 0);
  if (wrong === undefined && servers.length > 0) return servers;
  throw new ControlPlaneError(
    'usage',
    `--dns takes addresses of name servers, not ${wrong ?? 'none'}`,
  );
}

/** `10.0.0.0/8`, or an address alone. The text goes into firewall rules: nothing else may pass. */
function network(text: string): string {
  const [address = '', prefix, ...rest] = text.split('/');
  const family = isIP(address);
  const bits = prefix === undefined ? 0 : wholeNumber(prefix);
  if (family !== 0 && rest.length === 0 && bits <= (family === 4 ? 32 : 128)) return text;
  throw new ControlPlaneError('usage', `a network is ADDRESS/BITS, not ${text}`);
}
