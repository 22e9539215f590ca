// `fairlead bootstrap`: prints an Envoy bootstrap for a workload, ready for `envoy -c`, or one for a gRPC program.
import { readFileSync } from 'node:fs';
import type { Command } from 'commander';
import { ControlPlaneError, errorMessage } from '../../lib/error.js';
import { type BootstrapOptions, bootstrapText } from '../bootstrap.js';
import {
  collect,
  ipList,
  jsonObject,
  keyValues,
  oneOf,
  portNumber,
  wholeNumber,
} from '../flag-values.js';
import { grpcBootstrapText } from '../grpc-bootstrap.js';

interface Flags {
  type: string;
  name: string;
  namespace?: string;
  ip?: string[];
  label?: string[];
  serviceAccount?: string;
  workload?: string;
  workloadGroup?: string;
  network?: string;
  dnsCapture?: boolean;
  interception: string;
  locality?: string;
  peers?: boolean;
  cluster?: string;
  metadata?: string;
  xds: string;
  xdsCa?: string;
  xdsServerName?: string;
  xdsClientCert?: string;
  xdsClientKey?: string;
  xdsTokenFile?: string;
  protocol: string;
  envoyAdmin?: string;
  metricsPort?: number;
  healthPort?: number;
  maxConnections?: number;
  maxHeap?: number;
  output: string;
}

/** Adds the command. */
export function addBootstrap(program: Command): void {
  program
    .command('bootstrap')
    .description('Print an Envoy bootstrap for a workload, ready for envoy -c, or one for gRPC')
    .option(
      '--type <type>',
      'sidecar, router, plain (node id as given), or grpc (for GRPC_XDS_BOOTSTRAP)',
      'sidecar',
    )
    .requiredOption('--name <name>', 'the name of the workload instance')
    .option('--namespace <namespace>', 'its namespace', 'default')
    .option('--ip <ip>', 'an address of the instance (repeatable, or comma-separated)', collect)
    .option(
      '--label <key=value>',
      'a label (repeatable, or comma-separated); of a router istio=ingressgateway',
      collect,
    )
    .option('--service-account <name>', 'its service account', 'default')
    .option('--workload <name>', 'the name that instances of the workload share')
    .option(
      '--workload-group <name>',
      'the WorkloadGroup that the workload registers itself in, and whose probe its Envoy runs',
    )
    .option('--network <name>', 'the network that it is in')
    .option('--dns-capture', 'its DNS queries are sent to the sidecar (interception --dns)')
    .option('--interception <mode>', 'REDIRECT, TPROXY or NONE', 'REDIRECT')
    .option('--locality <region/zone/subzone>', 'where it runs')
    .option(
      '--peers',
      'its own peers are asked for, which zoneAwareLbSetting needs within a region',
    )
    .option('--cluster <name>', 'node.cluster')
    .option('--metadata <json>', 'further node metadata')
    .option('--xds <address>', 'the control plane: HOST:PORT or unix:/path', '127.0.0.1:15010')
    .option('--xds-ca <file>', 'TLS: the CAs of the control plane, in PEM')
    .option('--xds-server-name <name>', 'name or IP in its certificate, if not that of --xds')
    .option('--xds-client-cert <file>', 'client certificate, in PEM')
    .option('--xds-client-key <file>', 'its key')
    .option('--xds-token-file <file>', 'a bearer token; its text goes into the bootstrap')
    .option('--protocol <protocol>', 'delta or sotw', 'delta')
    .option('--envoy-admin <address>', "Envoy's admin: HOST:PORT or unix:/path", '127.0.0.1:15000')
    .option('--metrics-port <port>', 'Prometheus listener; 0 leaves it out', portNumber)
    .option('--health-port <port>', 'readiness listener; 0 leaves it out', portNumber)
    .option(
      '--max-connections <count>',
      'bound of all client connections; of a router 50000',
      wholeNumber,
    )
    .option(
      '--max-heap <MiB>',
      'bound of the heap, near which load is shed; of a router 2048; 0 for none',
      wholeNumber,
    )
    .option('-o, --output <format>', 'json or yaml', 'json')
    .action((flags: Flags) => {
      const format = oneOf('-o', flags.output, ['json', 'yaml']);
      const type = oneOf('--type', flags.type, ['sidecar', 'router', 'plain', 'grpc']);
      if (type !== 'grpc') {
        process.stdout.write(orUsage(() => bootstrapText(toOptions(flags, type), format)));
        return;
      }
      if (format === 'yaml') throw new ControlPlaneError('usage', 'gRPC reads JSON only');
      process.stdout.write(orUsage(() => grpcBootstrapText(toOptions(flags, 'sidecar'))));
    });
}

/** The first token of a file in the form that `serve --xds-token-file` reads. */
function firstToken(file: string): string {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (cause) {
    throw new ControlPlaneError('usage', `--xds-token-file: ${errorMessage(cause)}`, { cause });
  }
  const [token] = text.split('\n').flatMap((line) => /^\s*([^\s#]\S*)/.exec(line)?.[1] ?? []);
  if (token === undefined) throw new ControlPlaneError('usage', `${file} holds no token`);
  return token;
}

/** An address or a combination that a bootstrap cannot have is the user's mistake. */
function orUsage(text: () => string): string {
  try {
    return text();
  } catch (thrown) {
    if (thrown instanceof RangeError) throw new ControlPlaneError('usage', thrown.message);
    throw thrown;
  }
}

function toOptions(flags: Flags, type: BootstrapOptions['type']): BootstrapOptions {
  if (flags.peers && flags.locality === undefined) {
    throw new ControlPlaneError('usage', '--peers needs --locality');
  }
  return {
    type,
    name: flags.name,
    namespace: flags.namespace,
    ips: ipList(flags.ip),
    labels: keyValues(flags.label),
    serviceAccount: flags.serviceAccount,
    workloadName: flags.workload,
    workloadGroup: flags.workloadGroup,
    network: flags.network,
    dnsCapture: flags.dnsCapture,
    interceptionMode: oneOf('--interception', flags.interception, ['REDIRECT', 'TPROXY', 'NONE']),
    locality: flags.locality,
    peers: flags.peers,
    cluster: flags.cluster,
    metadata: jsonObject('--metadata', flags.metadata),
    xds: flags.xds,
    xdsTls: {
      caFile: flags.xdsCa,
      serverName: flags.xdsServerName,
      certFile: flags.xdsClientCert,
      keyFile: flags.xdsClientKey,
      token: flags.xdsTokenFile === undefined ? undefined : firstToken(flags.xdsTokenFile),
    },
    xdsProtocol: oneOf('--protocol', flags.protocol, ['delta', 'sotw']),
    admin: flags.envoyAdmin,
    metricsPort: flags.metricsPort,
    healthPort: flags.healthPort,
    downstreamConnectionsMax: flags.maxConnections,
    heapBytesMax: flags.maxHeap === undefined ? undefined : flags.maxHeap * 2 ** 20,
  };
}
