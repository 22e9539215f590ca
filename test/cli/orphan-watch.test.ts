// A server that npm started ends when the shell in between is killed; one that npm did not start lives on.
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import t, { type Test } from 'tap';
import { until } from '../envoy/live-mesh.js';

t.setTimeout(60_000);

const main = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url));

/** `serve` below a shell, as npm starts it; gives the shell and the process id of the server. */
async function serveBelowShell(t: Test, env: Record<string, string>) {
  const words = [process.execPath, '--import', 'tsx', main, 'serve', '--config', t.testdir({})];
  const addresses = ['--xds', '127.0.0.1:0', '--admin', '127.0.0.1:0'];
  // The last command keeps the shell from becoming the server itself.
  const command = `${[...words, ...addresses].map((word) => `'${word}'`).join(' ')}; :`;
  const { npm_command, npm_execpath, ...own } = process.env;
  const shell = spawn('sh', ['-c', command], {
    env: { ...own, ...env },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  for await (const line of createInterface({ input: shell.stderr })) {
    const { msg, pid } = JSON.parse(line) as { msg: string; pid: number };
    if (msg !== 'serving') continue;
    t.teardown(() => isAlive(pid) && process.kill(pid, 'SIGKILL'));
    return { shell, pid };
  }
  throw new Error('the server did not start');
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

t.test('started by npm: it ends with the shell', async (t) => {
  const { shell, pid } = await serveBelowShell(t, { npm_command: 'exec' });
  t.ok(isAlive(pid));
  shell.kill('SIGTERM');
  await until(3000, () => !isAlive(pid));
  t.notOk(isAlive(pid));
});

t.test('not started by npm: it stays', async (t) => {
  const { shell, pid } = await serveBelowShell(t, {});
  shell.kill('SIGTERM');
  await new Promise((resolve) => setTimeout(resolve, 1000));
  t.ok(isAlive(pid));
});
