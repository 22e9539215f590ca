// `fairlead demo`: the flags of the launcher in cli/demo.
import type { Command } from 'commander';
import type { DemoMode } from '../demo/choose-mode.js';
import { oneOf, portNumber, wholeNumber } from '../flag-values.js';
import { endWithNpm } from '../orphan-watch.js';

interface Flags {
  mode?: string;
  config?: string;
  port?: number;
  httpsPort?: number;
  adminPort?: number;
  once?: boolean;
  seconds?: number;
  rate?: number;
}

const modes: readonly DemoMode[] = ['netns', 'userns', 'ports'];

/** Adds the command. */
export function addDemo(program: Command): void {
  program
    .command('demo')
    .description(
      'A gateway, a frontend and two backends behind intercepting Envoys, driven by a directory you edit',
    )
    .option('--mode <mode>', 'netns (root), userns or ports; by default the best that works')
    .option('--config <dir>', 'the watched directory')
    .option('--port <port>', 'port of the gateway on 127.0.0.1, over HTTP', portNumber)
    .option('--https-port <port>', 'the same over HTTPS', portNumber)
    .option('--admin-port <port>', 'port of the admin API on 127.0.0.1', portNumber)
    .option('--once', 'stop after the first answer through the mesh')
    .option('--seconds <seconds>', 'stop this long after the first answer', wholeNumber)
    .option('--rate <requests>', 'requests a second of the built-in load; 0 for none', wholeNumber)
    .action(async (flags: Flags) => {
      const { runDemo } = await import('../demo/demo.js');
      endWithNpm();
      const { mode, rate: requestsPerSecond, ...rest } = flags;
      process.exitCode = await runDemo({
        ...rest,
        mode: mode === undefined ? undefined : oneOf('--mode', mode, modes),
        requestsPerSecond,
      });
    });
}
