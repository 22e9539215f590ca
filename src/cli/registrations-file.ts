// The file of `serve --registrations`: which sidecars are registered, so that a control plane that starts again knows
// the instances which have not come back yet. What is in it is src/registrations.ts.
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import type { Log } from '../control-plane.js';
import { errorMessage } from '../lib/error.js';
import type { Registration } from '../mesh/workload-group.js';
import type { RegistrationMemory } from '../registrations.js';

/** Of the file's form; another one is not read. */
const version = 1;

/** A memory in a file. What goes wrong with it is said in the log and stops nothing. */
export function registrationsFile(path: string, log: Log): RegistrationMemory {
  const trouble = (what: string, thrown: unknown) =>
    log.warn({ file: path, error: errorMessage(thrown) }, what);
  return {
    read: () => {
      try {
        const text = readFileSync(path, 'utf8');
        const content = JSON.parse(text) as { version?: number; registrations?: Registration[] };
        if (content.version !== version) throw new Error('not a file of this release');
        return content.registrations ?? [];
      } catch (thrown) {
        if ((thrown as NodeJS.ErrnoException).code !== 'ENOENT') {
          trouble('registrations could not be read', thrown);
        }
        return [];
      }
    },
    write: (registrations) => {
      try {
        writeFileSync(`${path}.next`, JSON.stringify({ version, registrations }), { mode: 0o600 });
        renameSync(`${path}.next`, path);
      } catch (thrown) {
        trouble('registrations could not be written', thrown);
      }
    },
  };
}
