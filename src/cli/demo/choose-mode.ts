// Which of the three ways of running the demo this machine allows: tried, not guessed.
import { errorMessage } from '../../lib/error.js';
import { type NamespaceMode, PodHost } from './pod-host.js';

/** `ports`: no interception, apps are pointed at ports of the loopback interface. */
export type DemoMode = NamespaceMode | 'ports';

/** The mode taken, and why not those before it. */
export interface ChosenMode {
  mode: DemoMode;
  /** Absent in mode `ports`. */
  host?: PodHost;
  /** One line for each mode that was tried and did not work. */
  refused: readonly string[];
}

/** What each mode is called in messages. */
export const modeTitle: Readonly<Record<DemoMode, string>> = {
  netns: 'network namespaces as root, with iptables interception',
  userns: 'a user namespace (no root needed), with iptables interception',
  ports: 'explicit ports on the loopback interface, without interception',
};

/** Starts a pod host in the first mode that works. A forced mode that does not work is an error. */
export async function chooseMode(
  options: { addresses: readonly string[]; envoyPath: string },
  forced?: DemoMode,
): Promise<ChosenMode> {
  if (forced === 'ports') return { mode: 'ports', refused: [] };
  if (forced !== undefined) {
    return { mode: forced, host: await PodHost.start({ ...options, mode: forced }), refused: [] };
  }
  const refused: string[] = [];
  if (process.platform !== 'linux') {
    return { mode: 'ports', refused: ['namespaces: a feature of Linux'] };
  }
  const modes: NamespaceMode[] = process.getuid?.() === 0 ? ['netns', 'userns'] : ['userns'];
  for (const mode of modes) {
    try {
      return { mode, host: await PodHost.start({ ...options, mode }), refused };
    } catch (error) {
      refused.push(explain(errorMessage(error)));
    }
  }
  return { mode: 'ports', refused };
}

function explain(message: string): string {
  if (
    /iptables-restore: spawn .* ENOENT|iptables-restore.*(not found|No such file)/.test(message)
  ) {
    return `${message} (installing the package iptables gives interception)`;
  }
  if (/unshare failed|Operation not permitted/.test(message)) {
    return `${message} (this system restricts namespaces for your user)`;
  }
  return message;
}
