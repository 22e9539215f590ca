// `fairlead bootstrap`: prints an Envoy bootstrap for a workload, ready for `envoy -c`.
import type { Command } from 'commander';
import { ControlPlaneError } from '../../lib/error.js';
import { type BootstrapOptions, bootstrapText } from '../bootstrap.js';
import { keyValues } from '../proxy-identity.js';

interface Flags {
  type: BootstrapOptions['type'];
  name: string;
  namespace?: string;
  ip?: string[];
  label?: string[];
  serviceAccount?: string;
  workload?: string;
  interception?: string;
  locality?: string;
  cluster?: string;
  metadata?: string;
  xds: string;
  protocol: 'delta' | 'sotw';
  envoyAdmin?: string;
  metricsPort?: number;
  healthPort?: number;
  output: string;
}

const collect = (word: string, words: string[] = []) => [...words, word];

/** Adds the command. */
export function addBootstrap(program: Command): void {
  program
    .command('bootstrap')
    .description('Print an Envoy bootstrap for a workload, ready for envoy -c')
    .option('--type <type>', 'sidecar, router, or plain (node id as given)', 'sidecar')
    .requiredOption('--name <name>', 'the name of the workload instance')
    .option('--namespace <namespace>', 'its namespace', 'default')
    .option('--ip <ip>', 'an address of the instance (repeatable, or comma-separated)', collect)
    .option('--label <key=value>', 'a label (repeatable, or comma-separated)', collect)
    .option('--service-account <name>', 'its service account', 'default')
    .option('--workload <name>', 'the name that instances of the workload share')
    .option('--interception <mode>', 'REDIRECT, TPROXY or NONE', 'REDIRECT')
    .option('--locality <region/zone/subzone>', 'where it runs')
    .option('--cluster <name>', 'node.cluster')
    .option('--metadata <json>', 'further node metadata')
    .option('--xds <address>', 'the control plane: HOST:PORT or unix:/path', '127.0.0.1:15010')
    .option('--protocol <protocol>', 'delta or sotw', 'delta')
    .option('--envoy-admin <address>', "Envoy's admin: HOST:PORT or unix:/path", '127.0.0.1:15000')
    .option('--metrics-port <port>', 'Prometheus listener; 0 leaves it out', Number)
    .option('--health-port <port>', 'readiness listener; 0 leaves it out', Number)
    .option('-o, --output <format>', 'json or yaml', 'json')
    .action((flags: Flags) => {
      process.stdout.write(
        bootstrapText(toOptions(flags), flags.output === 'yaml' ? 'yaml' : 'json'),
      );
    });
}

function toOptions(flags: Flags): BootstrapOptions {
  oneOf('--type', flags.type, ['sidecar', 'router', 'plain']);
  oneOf('--protocol', flags.protocol, ['delta', 'sotw']);
  oneOf('--interception', flags.interception ?? 'REDIRECT', ['REDIRECT', 'TPROXY', 'NONE']);
  oneOf('-o', flags.output, ['json', 'yaml']);
  return {
    type: flags.type,
    name: flags.name,
    namespace: flags.namespace,
    ips: (flags.ip ?? []).flatMap((ip) => ip.split(',')),
    labels: keyValues(flags.label ?? []),
    serviceAccount: flags.serviceAccount,
    workloadName: flags.workload,
    interceptionMode: flags.interception as BootstrapOptions['interceptionMode'],
    locality: flags.locality,
    cluster: flags.cluster,
    metadata: flags.metadata === undefined ? undefined : JSON.parse(flags.metadata),
    xds: flags.xds,
    xdsProtocol: flags.protocol,
    admin: flags.envoyAdmin,
    metricsPort: flags.metricsPort,
    healthPort: flags.healthPort,
  };
}

function oneOf(flag: string, value: string, allowed: readonly string[]): void {
  if (allowed.includes(value)) return;
  throw new ControlPlaneError('usage', `${flag} takes ${allowed.join(', ')}, not ${value}`);
}
