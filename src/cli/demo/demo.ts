// `fairlead demo`: control plane, an ingress gateway, a frontend and two backends with an Envoy each, a little load,
// and a line that shows where it goes. The order of starting and ending is here; the parts are in
// the files beside.
import { join, relative } from 'node:path';
import { errorMessage } from '../../lib/error.js';
import { ensureEnvoy } from '../envoy-binary.js';
import { type ChosenMode, chooseMode, type DemoMode, modeTitle } from './choose-mode.js';
import { DemoLog } from './demo-log.js';
import { suggestedEdits } from './edits.js';
import { showLive, splitLine } from './live-line.js';
import { askFrontend, Load } from './load.js';
import { type RunningDemo, startMesh } from './start-mesh.js';
import { demoDir, gateway } from './workloads.js';

/** What the command line may say; everything has a default. */
export interface DemoOptions {
  /** Absent: the best that this machine allows, in the order netns (root), userns, ports. */
  mode?: DemoMode;
  /** The watched directory; examples/demo/config. */
  config?: string;
  /** Port of the gateway on 127.0.0.1 over HTTP; 8080, or a free one when it is taken. */
  port?: number;
  /** The same over HTTPS; 8443. */
  httpsPort?: number;
  /** Port of the admin API on 127.0.0.1; 15014, or a free one when it is taken. */
  adminPort?: number;
  /** Stop after the first answer through the mesh. */
  once?: boolean;
  /** Stop this long after the first answer through the mesh. */
  seconds?: number;
  /** The built-in load; 10 where absent, 0 switches it off. */
  requestsPerSecond?: number;
}

const firstAnswerTimeoutMs = 30_000;
const windowMs = 5_000;

/** Runs until a signal, `once` or `seconds`; resolves with the exit code. Leaves nothing behind. */
export async function runDemo(options: DemoOptions): Promise<number> {
  const startedAtMs = performance.now();
  const end = endSignal();
  const say = (line: string) => process.stdout.write(`${line}\n`);
  let demo: RunningDemo | undefined;
  try {
    const envoy = await ensureEnvoy({ say });
    say(`Envoy ${envoy.version} (${envoy.path}, from ${envoy.from})`);
    const chosen = await chooseMode({ addresses: [gateway], envoyPath: envoy.path }, options.mode);
    sayMode(chosen, say);
    demo = await startMesh(chosen, {
      envoyPath: envoy.path,
      config: options.config ?? join(demoDir, 'config'),
      port: options.port ?? 8080,
      httpsPort: options.httpsPort ?? 8443,
      adminPort: options.adminPort ?? 15014,
      log: new DemoLog(say),
    });
    await firstAnswer(demo, end.promise);
    if (!end.reached()) {
      sayReady(demo, performance.now() - startedAtMs, say);
      if (options.seconds !== undefined) end.after(options.seconds * 1000);
      if (!options.once) await showUntil(demo, options.requestsPerSecond ?? 10, end.promise);
    }
    return 0;
  } catch (error) {
    process.stderr.write(`demo: ${errorMessage(error)}\n`);
    return 1;
  } finally {
    if (!options.once) say('stopping');
    await demo?.stop();
    end.forget();
  }
}

function sayMode({ mode, refused }: ChosenMode, say: (line: string) => void): void {
  for (const reason of refused) say(`not possible here: ${reason}`);
  say(`mode ${mode}: ${modeTitle[mode]}`);
  if (mode !== 'ports') return;
  say(
    '  (the control plane watches a copy with other addresses; your edits are copied to it at once)',
  );
}

async function firstAnswer(demo: RunningDemo, end: Promise<void>): Promise<void> {
  const timeout = performance.now() + firstAnswerTimeoutMs;
  let ended = false;
  void end.then(() => {
    ended = true;
  });
  while (!ended) {
    const { status, version } = await askFrontend(demo.frontendPort);
    if (status === 200 && version !== undefined) return;
    if (performance.now() > timeout) {
      const seconds = firstAnswerTimeoutMs / 1000;
      throw new Error(`no answer through the mesh within ${seconds} s\n${demo.diagnosis()}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

function sayReady(demo: RunningDemo, tookMs: number, say: (line: string) => void): void {
  const url = `http://127.0.0.1:${demo.frontendPort}/`;
  say(`first answer through the mesh after ${(tookMs / 1000).toFixed(1)} s\n`);
  say(`  frontend   ${url}   (through the ingress gateway, as the load here)`);
  say(`  admin API  http://${demo.admin}/docs   (proxies: http://${demo.admin}/api/v1/proxies)`);
  if (demo.look !== undefined) say(`  look in    ${demo.look}`);
  const secure = `https://localhost:${demo.httpsPort}/`;
  say(`\nCall it:\n     curl ${url}\n     curl --cacert ${demo.certificateFile} ${secure}`);
  say('\nEdit and save; traffic follows at once:');
  const file = relative(process.cwd(), join(demo.config, 'routing.yaml'));
  suggestedEdits(file, url).forEach((edit, i) => {
    say(`  ${i + 1}. ${edit.title}  ${edit.where}\n     ${edit.what}`);
  });
  say('\nCtrl-C stops everything and leaves nothing.\n');
}

async function showUntil(
  demo: RunningDemo,
  requestsPerSecond: number,
  end: Promise<void>,
): Promise<void> {
  const load = new Load(demo.frontendPort, { requestsPerSecond, windowMs });
  const hide =
    requestsPerSecond > 0 ? showLive(process.stdout, () => splitLine(load.split())) : () => {};
  await end;
  hide();
  load.stop();
}

/**
 * The wish to stop: a signal, or the end of the time given by `after`. A second signal does not cut the cleaning up short.
 */
function endSignal() {
  let reached = false;
  let resolve = () => {};
  const promise = new Promise<void>((done) => {
    resolve = done;
  });
  const stop = () => {
    reached = true;
    resolve();
  };
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
  for (const signal of signals) process.on(signal, stop);
  let timer: NodeJS.Timeout | undefined;
  const after = (ms: number) => {
    timer = setTimeout(stop, ms);
  };
  const forget = () => {
    clearTimeout(timer);
    for (const signal of signals) process.removeListener(signal, stop);
  };
  return { promise, reached: () => reached, after, forget };
}
