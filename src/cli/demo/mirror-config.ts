// The `ports` mode needs other addresses than the demo's files say. This keeps a copy of the
// watched directory in which the files about places are replaced; all others are copied whenever
// they change, so that edits of the real files count.
import {
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';

const pollMs = 100;

/** A copy that follows. */
export interface Mirror {
  dir: string;
  close(): void;
}

/**
 * Copies `source` (flat, YAML and JSON files) into `target`; `replaced` holds the text of files
 * that are not copied.
 */
export function mirrorConfig(
  source: string,
  target: string,
  replaced: Readonly<Record<string, string>>,
): Mirror {
  mkdirSync(target, { recursive: true });
  for (const [name, text] of Object.entries(replaced)) {
    // One of them holds a key.
    writeFileSync(join(target, name), text, { mode: 0o600 });
  }
  const seen = new Map<string, string>();
  const copy = () => {
    const names = new Set(readdirSync(source).filter((name) => /\.(ya?ml|json)$/.test(name)));
    for (const name of names) {
      if (name in replaced) continue;
      const text = readText(join(source, name));
      if (text === undefined || text.stamp === seen.get(name)) continue;
      seen.set(name, text.stamp);
      writeFileSync(join(target, `.${name}.new`), text.text);
      renameSync(join(target, `.${name}.new`), join(target, name));
    }
    for (const name of seen.keys()) {
      if (names.has(name)) continue;
      seen.delete(name);
      rmSync(join(target, name), { force: true });
    }
  };
  copy();
  const timer = setInterval(copy, pollMs);
  return { dir: target, close: () => clearInterval(timer) };
}

// A file may vanish between the listing and the reading: an editor is replacing it, and the next
// poll sees the new one.
function readText(path: string): { text: string; stamp: string } | undefined {
  try {
    const { mtimeMs, size, ino } = statSync(path);
    return { text: readFileSync(path, 'utf8'), stamp: `${mtimeMs}/${size}/${ino}` };
  } catch {
    return undefined;
  }
}
