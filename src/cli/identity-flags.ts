// The flags that describe a proxy, the same for every command that takes them (proxy-identity.ts reads them).
import type { Command } from 'commander';
import { collect } from './flag-values.js';

/** Adds the flags. `--node` is checked by the command, because one of them also takes a connected proxy. */
export function withIdentity(command: Command): Command {
  return command
    .option('--node <id>', "the proxy: a name, name.namespace, or a whole node id of Istio's form")
    .option('--node-file <file>', 'JSON or YAML of an Envoy node, or of a bootstrap that has one')
    .option('--namespace <namespace>', 'the namespace of the workload')
    .option('--ip <ip>', 'an address of the workload (repeatable, or comma-separated)', collect)
    .option(
      '--label <key=value>',
      'a label of the workload (repeatable, or comma-separated)',
      collect,
    )
    .option('--metadata <json>', 'further node metadata')
    .option('--cluster <name>', 'node.cluster')
    .option('--locality <region/zone/subzone>', 'where the workload runs')
    .option('--interception <mode>', 'REDIRECT, TPROXY or NONE')
    .option('--proxy-type <type>', 'sidecar or router');
}
