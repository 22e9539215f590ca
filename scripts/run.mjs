// What the other scripts share: running a step, saying what it does, and stopping with its exit code.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const project = fileURLToPath(new URL('..', import.meta.url));

/** Runs a command in the project with its output shown; ends this process if it fails. */
export function run(command, args, options = {}) {
  const result = spawnSync(command, args, { cwd: project, stdio: 'inherit', ...options });
  if (result.error) {
    console.error(`${command}: ${result.error.message}`);
    process.exit(1);
  }
  if (result.status !== 0) process.exit(result.status ?? 1);
}

/** Runs a program of node_modules. */
export function bin(name, args, options = {}) {
  run(process.execPath, [join(project, 'node_modules', ...name), ...args], options);
}

export function say(text) {
  console.log(`\n> ${text}`);
}

/** Installs npm packages when they are missing: the only step that a fresh clone lacks. */
export function ensurePackages() {
  if (existsSync(join(project, 'node_modules/.package-lock.json'))) return;
  say('installing npm packages (npm ci)');
  run('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error'], {
    shell: process.platform === 'win32',
  });
}
