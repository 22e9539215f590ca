// The control plane's log as the demo shows it: problems, their mending, refusals and new
// generations in plain lines; the rest is left out. It writes above the live line.
import type { Log } from '../../control-plane.js';

/** A Log that prints what a person at the demo wants to see. */
export class DemoLog implements Log {
  readonly #say: (line: string) => void;

  constructor(say: (line: string) => void) {
    this.#say = (line) => say(process.stdout.isTTY ? `\r\x1b[2K${line}` : line);
  }

  info(fields: object, message: string): void {
    if (message.startsWith('mended: ')) this.#say(`  ${message}`);
    if (message !== 'generation in force') return;
    const { generation, ms, added, updated, removed } = fields as {
      generation: number;
      ms: number;
      added: unknown;
      updated: unknown;
      removed: unknown;
    };
    // The first one is the start itself.
    if (generation <= 1) return;
    const changes = [
      ['added', added],
      ['updated', updated],
      ['removed', removed],
    ] as const;
    const said = changes
      .filter(([, keys]) => (Array.isArray(keys) ? keys.length > 0 : Boolean(keys)))
      .map(([verb, keys]) => `${verb} ${Array.isArray(keys) ? keys.join(', ') : String(keys)}`);
    this.#say(`  in force (generation ${generation}, ${ms} ms): ${said.join('; ')}`);
  }

  warn(_fields: object, message: string): void {
    this.#say(`  ${message}`);
  }

  error(fields: object, message: string): void {
    const { message: detail } = fields as { message?: string };
    this.#say(`  ${message}${detail === undefined ? '' : `: ${detail}`}`);
  }
}
