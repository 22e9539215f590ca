// `fairlead serve`: a watched directory, the xDS port and the admin port, until a signal.
import type { Command } from 'commander';
import { ControlPlaneError } from '../../lib/error.js';
import { DEFAULT_ADMIN } from '../api-client.js';
import { collect, oneOf, wholeNumber } from '../flag-values.js';
import { endWithNpm } from '../orphan-watch.js';

interface Flags {
  config: string;
  meshConfig?: string;
  xds?: string[];
  xdsTls?: string[];
  xdsTlsCert?: string;
  xdsTlsKey?: string;
  xdsTlsClientCa?: string;
  xdsTokenFile?: string;
  xdsPlaintextAnywhere?: boolean;
  admin: string;
  adminToken?: string;
  registrations?: string;
  registrationGrace?: number;
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
    .option('--xds-tls <address>', 'xDS over TLS: HOST:PORT or unix:/path (repeatable)', collect)
    .option('--xds-tls-cert <file>', 'certificate of --xds-tls, in PEM; read again when it changes')
    .option('--xds-tls-key <file>', 'its key')
    .option('--xds-tls-client-ca <file>', 'CAs of client certificates, which are then needed')
    .option('--xds-token-file <file>', 'bearer tokens, one of which every xDS client has to show')
    .option('--xds-plaintext-anywhere', 'no warning of plaintext xDS off loopback, nor a refusal')
    .option('--admin <host:port>', 'admin API, health and metrics', DEFAULT_ADMIN)
    .option(
      '--admin-token <token>',
      'bearer token of the admin API (or FAIRLEAD_ADMIN_TOKEN); needed to listen off loopback',
    )
    .option(
      '--registrations <file>',
      'where sidecars that registered themselves are remembered across restarts',
    )
    .option(
      '--registration-grace <seconds>',
      'how long they may be away before they count as gone (10)',
      graceSeconds,
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
        xds: flags.xds ?? (flags.xdsTls ? [] : ['127.0.0.1:15010']),
        xdsTls: flags.xdsTls,
        xdsSecurity: {
          certFile: flags.xdsTlsCert,
          keyFile: flags.xdsTlsKey,
          clientCaFile: flags.xdsTlsClientCa,
          tokenFile: flags.xdsTokenFile,
          plaintextAnywhere: flags.xdsPlaintextAnywhere,
        },
        admin: flags.admin,
        ...(flags.registrations !== undefined && { registrationsFile: flags.registrations }),
        ...(flags.registrationGrace !== undefined && {
          registrationGraceMs: flags.registrationGrace * 1000,
        }),
        adminToken: flags.adminToken ?? process.env['FAIRLEAD_ADMIN_TOKEN'],
        log,
      });
      lifetime.serving(server);
    });
}

const graceSecondsMax = 3600;

function graceSeconds(text: string): number {
  const seconds = wholeNumber(text);
  if (seconds <= graceSecondsMax) return seconds;
  throw new ControlPlaneError('usage', `--registration-grace is at most ${graceSecondsMax}`);
}
