// What the launcher (outside) and the pod host (inside the namespaces) say to each other: JSON
// lines over the pod host's stdin and stdout. Requests are answered in any order; exits of pod
// processes are events. No behaviour here.
import type { Readable } from 'node:stream';

/**
 * The network of a pod host: one bridge, its own addresses (with prefix length) are the pods'
 * gateways.
 */
export interface NetworkRequest {
  op: 'network';
  addresses: readonly string[];
  /**
   * Installed in a throw-away namespace first: tells at once whether interception is possible here.
   */
  probeRules?: RulesText;
  /**
   * Files of the host made visible at another path, e.g. the Envoy binary for a user id that cannot
   * reach it.
   */
  binds: readonly { source: string; target: string }[];
}

/** iptables-restore input by address family. */
export interface RulesText {
  ipv4?: string;
  ipv6?: string;
}

export interface AddPodRequest {
  op: 'add-pod';
  name: string;
  /** With prefix length: `10.0.0.5/24`. */
  addresses: readonly string[];
  gateways: readonly string[];
  /** A file that the pod sees as /etc/hosts. */
  hostsFile: string;
  /** A folder that is given to the sidecar's user. */
  proxyDir: string;
  proxyUid?: number;
  rules: RulesText;
}

export interface SpawnRequest {
  op: 'spawn';
  pod: string;
  /** Chosen by the caller; names the process in later messages. */
  key: string;
  argv: readonly string[];
  env: Readonly<Record<string, string>>;
  /** Absent: the pod host's own user. */
  uid?: number;
  logFile: string;
}

export interface SignalRequest {
  op: 'signal';
  key: string;
  signal: NodeJS.Signals;
}

/** Opens a unix socket whose connections go on to an address in the pods' network. */
export interface ForwardRequest {
  op: 'forward';
  socket: string;
  host: string;
  port: number;
}

export type PodRequest =
  | NetworkRequest
  | AddPodRequest
  | SpawnRequest
  | SignalRequest
  | ForwardRequest;

/** An answer (`id`), or the end of a process (`exited`). */
export type PodMessage =
  | { id: number; value?: unknown; error?: string }
  | { exited: string; code: number | null; signal: string | null };

/** Calls `take` with each line of a stream, parsed; lines that are no JSON are dropped. */
export function readJsonLines<T>(stream: Readable, take: (message: T) => void): void {
  let rest = '';
  stream.setEncoding('utf8');
  stream.on('data', (chunk: string) => {
    const lines = (rest + chunk).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) {
      let message: T;
      try {
        message = JSON.parse(line) as T;
      } catch {
        continue;
      }
      take(message);
    }
  });
}
