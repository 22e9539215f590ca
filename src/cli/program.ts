// All commands with their flags and help; the work is in commands/. Exit codes: 0 fine, 1 problems found or the
// command failed, 2 wrong usage. Which process this is, and its streams, is main.ts.
import { Command, CommanderError } from 'commander';
import { ControlPlaneError, errorMessage } from '../lib/error.js';
import { DEFAULT_ADMIN } from './api-client.js';
import { addBootstrap } from './commands/bootstrap.js';
import { addDemo } from './commands/demo.js';
import { addInterception } from './commands/interception.js';
import { addServe } from './commands/serve.js';
import { portNumber } from './flag-values.js';
import { withIdentity } from './identity-flags.js';
import { parseFormat } from './output.js';
import { parseSeverity } from './severity.js';
import { version } from './version.js';

/** Runs one command line (without the name of the program) and sets the exit code, which is not forced: what was
 * printed is flushed first, and `serve` goes on. */
export async function runProgram(words: readonly string[]): Promise<void> {
  const program = newProgram();
  try {
    await program.parseAsync(words, { from: 'user' });
  } catch (thrown) {
    if (thrown instanceof CommanderError) {
      finish(thrown.exitCode === 0 ? 0 : 2);
      return;
    }
    process.stderr.write(`fairlead: ${errorMessage(thrown)}\n`);
    const expected = thrown instanceof ControlPlaneError;
    if (!expected && process.env['FAIRLEAD_DEBUG']) console.error(thrown);
    finish(expected && thrown.code === 'usage' ? 2 : 1);
  }
}

function newProgram(): Command {
  const program = new Command('fairlead')
    .description(
      "A service-mesh control plane for Envoy: Istio's API as YAML in a watched directory",
    )
    .showHelpAfterError('(fairlead --help shows all commands)')
    .enablePositionalOptions()
    .version(version, '-V, --version')
    .exitOverride();

  addServe(program);
  addDemo(program);
  addBootstrap(program);
  addInterception(program);
  addAnalyze(program);
  addGet(program);
  addTranslate(program);
  addProxyStatus(program);
  addProxyConfig(program);
  addVersion(program);
  return program;
}

function addAnalyze(program: Command): void {
  program
    .command('analyze')
    .description('What is wrong, with file:line:col: of a directory, or of what a server holds')
    .option('--config <dir>', 'a directory to read; without it the server at --admin is asked')
    .option('--mesh-config <file>', "Istio's MeshConfig as plain YAML")
    .option('--admin <host:port>', 'the admin address of a running server', DEFAULT_ADMIN)
    .option(
      '--fail-on <severity>',
      'exit code 1 from this severity on: error, warning or info',
      parseSeverity,
      'error',
    )
    .option('--show <severity>', 'the least severity shown', parseSeverity, 'info')
    .option('-o, --output <format>', 'table, json or yaml', parseFormat, 'table')
    .action(async (options) => {
      const { analyze } = await import('./commands/analyze.js');
      finish(await analyze(options));
    });
}

function addGet(program: Command): void {
  program
    .command('get')
    .argument('<kind>', 'such as httproutes, gateway or virtualservices.networking.istio.io')
    .argument('[name]', 'one resource')
    .description('Resources in force, with their status, as manifests or as a table')
    .option('-n, --namespace <namespace>', 'only those of a namespace; all when absent')
    .option('--config <dir>', 'a directory to read; without it the server at --admin is asked')
    .option('--mesh-config <file>', "Istio's MeshConfig as plain YAML")
    .option('--admin <host:port>', 'the admin address of a running server', DEFAULT_ADMIN)
    .option('-o, --output <format>', 'table, json or yaml', parseFormat, 'table')
    .action(async (kind, name, options) => {
      const { get } = await import('./commands/get.js');
      finish(await get({ ...options, kind, name }));
    });
}

function addTranslate(program: Command): void {
  withIdentity(
    program
      .command('translate')
      .description(
        'What an Envoy would be served, from a directory and without a server, as Envoy JSON',
      ),
  )
    .requiredOption('--config <dir>', 'the directory to read')
    .option('--mesh-config <file>', "Istio's MeshConfig as plain YAML")
    .option('--type <type>', 'clusters, endpoints, listeners, routes or all', 'all')
    .option('--name <name>', 'only the resource of this name')
    .option('-o, --output <format>', 'json, yaml or table', parseFormat, 'json')
    .action(async (options) => {
      const { runTranslate } = await import('./commands/translate.js');
      finish(await runTranslate(options));
    });
}

function addProxyStatus(program: Command): void {
  program
    .command('proxy-status')
    .alias('ps')
    .argument('[proxy]', 'node id, name.namespace or name')
    .description('Every connected proxy, and where it stands with each type')
    .option('--admin <host:port>', 'the admin address of a running server', DEFAULT_ADMIN)
    .option('-o, --output <format>', 'table, json or yaml', parseFormat, 'table')
    .action(async (proxy, options) => {
      const { proxyStatus } = await import('./commands/proxy-status.js');
      finish(await proxyStatus({ ...options, proxy }));
    });
}

function addProxyConfig(program: Command): void {
  withIdentity(
    program
      .command('proxy-config')
      .alias('pc')
      .argument('<type>', 'clusters, listeners, routes, endpoints or all')
      .argument('[proxy]', 'node id, name.namespace or name of a connected proxy')
      .description('What was made for a proxy: by a running server, or offline with --config'),
  )
    .option(
      '--config <dir>',
      'a directory to read instead of asking a server; the proxy is then described by flags',
    )
    .option('--mesh-config <file>', "Istio's MeshConfig as plain YAML")
    .option('--admin <host:port>', 'the admin address of a running server', DEFAULT_ADMIN)
    .option('--name <name>', 'only the resource of this name')
    .option('--port <port>', 'only what is for this port', portNumber)
    .option('--host <host>', 'only what is for hosts that contain this')
    .option('-o, --output <format>', 'table, json or yaml', parseFormat, 'table')
    .action(async (type, proxy, options) => {
      const { runProxyConfig } = await import('./commands/proxy-config.js');
      finish(await runProxyConfig(type, proxy, options));
    });
}

function addVersion(program: Command): void {
  program
    .command('version')
    .description('The version of fairlead')
    .action(() => {
      process.stdout.write(`${version}\n`);
    });
}

function finish(code: number): void {
  process.exitCode = code;
}
