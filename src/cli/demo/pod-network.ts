// The commands that build pods inside a pod host's namespaces: a bridge, a holder process per pod
// (its network and mount namespace live as long as it does), a veth pair, addresses, interception
// rules. Runs only inside namespaces of our own: nothing here may be called on a machine's real
// network.
import { type ChildProcess, spawn } from 'node:child_process';
import { chownSync } from 'node:fs';
import { isIPv6 } from 'node:net';
import type { AddPodRequest, NetworkRequest, RulesText } from './pod-protocol.js';

const bridge = 'mesh0';

/** A pod's namespaces, held by a process that sleeps. */
export interface Pod {
  name: string;
  holder: ChildProcess;
}

/** Runs a command with text on its stdin. Rejects with the command's own words when it fails. */
export function runTool(argv: readonly string[], input = ''): Promise<string> {
  return new Promise((resolve, reject) => {
    const [command, ...args] = argv;
    const child = spawn(command!, args, { stdio: ['pipe', 'pipe', 'pipe'] });
    let stdout = '';
    let stderr = '';
    child.stdout.on('data', (chunk) => {
      stdout += chunk;
    });
    child.stderr.on('data', (chunk) => {
      stderr += chunk;
    });
    child.on('error', (error) => reject(new Error(`${command}: ${error.message}`)));
    child.on('close', (code) => {
      if (code === 0) resolve(stdout);
      else reject(new Error(`${command} (exit ${code}): ${stderr.trim() || stdout.trim()}`));
    });
    // A tool that ended early has closed its stdin; its exit code tells, not the broken pipe.
    child.stdin.on('error', () => {});
    child.stdin.end(input);
  });
}

/** The pod host's own side: loopback, the bridge, and the gateways' addresses. */
export async function makeNetwork(request: NetworkRequest): Promise<void> {
  const batch = [
    'link set lo up',
    `link add ${bridge} type bridge`,
    ...request.addresses.map((address) => addAddress(address, bridge)),
    `link set ${bridge} up`,
  ];
  await runTool(['ip', '-batch', '-'], `${batch.join('\n')}\n`);
  for (const { source, target } of request.binds) {
    await runTool(['mount', '--bind', source, target]);
  }
  if (request.probeRules !== undefined) await installRules(['unshare', '-n'], request.probeRules);
}

/** Makes a pod: namespaces, hosts file, cable to the bridge, addresses, default routes, rules. */
export async function makePod(request: AddPodRequest, index: number): Promise<Pod> {
  if (request.proxyUid !== undefined) chownSync(request.proxyDir, request.proxyUid, -1);
  const holder = await holdNamespaces(request.hostsFile);
  const inPod = ['nsenter', '-t', String(holder.pid), '-n'];
  const outside = [
    `link add pod${index} type veth peer name eth0 netns ${holder.pid}`,
    `link set pod${index} master ${bridge}`,
    `link set pod${index} up`,
  ];
  await runTool(['ip', '-batch', '-'], `${outside.join('\n')}\n`);
  const inside = [
    'link set lo up',
    ...request.addresses.map((address) => addAddress(address, 'eth0')),
    'link set eth0 up',
    ...request.gateways.map((gateway) => `route add default via ${gateway}`),
  ];
  await runTool([...inPod, 'ip', '-batch', '-'], `${inside.join('\n')}\n`);
  await installRules(inPod, request.rules);
  return { name: request.name, holder };
}

/** The command line that runs something in a pod, as another user where one is given. */
export function podCommand(pod: Pod, argv: readonly string[], uid?: number): string[] {
  const enter = ['nsenter', '-t', String(pod.holder.pid), '-n', '-m', '--'];
  if (uid === undefined) return [...enter, ...argv];
  const become = ['setpriv', `--reuid=${uid}`, `--regid=${uid}`, '--clear-groups', '--'];
  return [...enter, ...become, ...argv];
}

async function installRules(prefix: readonly string[], rules: RulesText): Promise<void> {
  const { ipv4, ipv6 } = rules;
  if (ipv4 !== undefined) await runTool([...prefix, 'iptables-restore', '--noflush'], ipv4);
  if (ipv6 !== undefined) await runTool([...prefix, 'ip6tables-restore', '--noflush'], ipv6);
}

function addAddress(address: string, device: string): string {
  // Duplicate address detection would hold an IPv6 address back for a second or more.
  const nodad = isIPv6(address.split('/')[0]!) ? ' nodad' : '';
  return `addr add ${address} dev ${device}${nodad}`;
}

function holdNamespaces(hostsFile: string): Promise<ChildProcess> {
  const script = 'mount --bind "$1" /etc/hosts && echo held && exec sleep infinity';
  const args = ['-n', '-m', '--propagation', 'private', 'sh', '-c', script, 'pod', hostsFile];
  const holder = spawn('unshare', args, { stdio: ['ignore', 'pipe', 'pipe'] });
  return new Promise((resolve, reject) => {
    let stderr = '';
    holder.stderr.on('data', (chunk) => {
      stderr += chunk;
    });
    holder.stdout.once('data', () => resolve(holder));
    holder.on('error', reject);
    holder.on('exit', (code) => reject(new Error(`unshare (exit ${code}): ${stderr.trim()}`)));
  });
}
