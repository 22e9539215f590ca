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
  const options = ['--no-audit', '--no-fund', '--loglevel=error'];
  const shell = process.platform === 'win32';
  const ci = spawnSync('npm', ['ci', ...options], { cwd: project, shell, encoding: 'utf8' });
  if (ci.status === 0) return;
  // A registry without other platforms' optional packages makes newer npm versions call the lock file out of sync;
  // `npm install` takes the same versions from it.
  if (!ci.stderr?.includes('EUSAGE')) {
    console.error(ci.error?.message ?? ci.stderr);
    process.exit(ci.status ?? 1);
  }
  say('npm ci does not take the lock file on this registry: npm install');
  run('npm', ['install', '--no-save', ...options], { shell });
}
