// `fairlead serve`: a watched directory, the xDS port and the admin port, until a signal.
import type { Command } from 'commander';
import { DEFAULT_ADMIN } from '../api-client.js';
import { collect, oneOf } from '../flag-values.js';
import { endWithNpm } from '../orphan-watch.js';

interface Flags {
  config: string;
  meshConfig?: string;
  xds?: string[];
  admin: string;
  adminToken?: string;
  logLevel: string;
}

/** Adds the command. */
export function addServe(program: Command): void {
  program
    .command('serve')
    .description('Watch a directory and serve its mesh to Envoys over xDS')
    .requiredOption('--config <dir>', 'the directory of mesh resources')
    .option('--mesh-config <file>', "Istio's MeshConfig as plain YAML")
    .option('--xds <address>', 'plaintext xDS: HOST:PORT or unix:/path (repeatable)', collect)
    .option('--admin <host:port>', 'admin API, health and metrics', DEFAULT_ADMIN)
    .option(
      '--admin-token <token>',
      'bearer token of the admin API (or FAIRLEAD_ADMIN_TOKEN); needed to listen off loopback',
    )
    .option('--log-level <level>', 'debug, info, warn or error', 'info')
    .action(async (flags: Flags) => {
      const level = oneOf('--log-level', flags.logLevel, ['debug', 'info', 'warn', 'error']);
      // grpc-js would print what is reported here anyway.
      process.env['GRPC_VERBOSITY'] ??= 'NONE';
      const { createLog, startServer } = await import('../serve.js');
      const { superviseProcess } = await import('../lifetime.js');
      const log = createLog(level);
      const lifetime = superviseProcess(log);
      endWithNpm();
      const server = await startServer({
        config: flags.config,
        meshConfigFile: flags.meshConfig,
        xds: flags.xds ?? ['127.0.0.1:15010'],
        admin: flags.admin,
        adminToken: flags.adminToken ?? process.env['FAIRLEAD_ADMIN_TOKEN'],
        log,
      });
      lifetime.serving(server);
    });
}
