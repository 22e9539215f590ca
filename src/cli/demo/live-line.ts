// The line that shows where traffic goes: rewritten in place on a terminal, printed now and then
// elsewhere.
import type { Split } from './load.js';

const barWidth = 15;
const refreshMs = 250;
const plainEveryMs = 2_000;

/** One line of at most 80 columns: `v1  90 % ██████····  v2  10 % █·········  errors 0.0/s …`. */
export function splitLine(split: Split): string {
  const perSecond = (count: number) => ((count * 1000) / Math.max(1, split.windowMs)).toFixed(1);
  const answered = split.total - split.errors;
  const versions = [...new Set(['v1', 'v2', ...split.byVersion.keys()])].sort();
  const shares = versions.map((version) => {
    const share = answered === 0 ? 0 : (split.byVersion.get(version) ?? 0) / answered;
    const bar = '█'.repeat(Math.round(share * barWidth)).padEnd(barWidth, '·');
    return `${version} ${String(Math.round(share * 100)).padStart(3)} % ${bar}`;
  });
  return `${shares.join('  ')}  errors ${perSecond(split.errors)}/s  of ${perSecond(split.total)}/s`;
}

/** Shows `line()` until the returned function is called. */
export function showLive(out: NodeJS.WriteStream, line: () => string): () => void {
  if (!out.isTTY) {
    const timer = setInterval(() => out.write(`${line()}\n`), plainEveryMs);
    return () => clearInterval(timer);
  }
  const timer = setInterval(() => {
    // Cut to the terminal's width: a wrapped line cannot be rewritten.
    out.write(`\r\x1b[2K${line().slice(0, (out.columns || 100) - 1)}`);
  }, refreshMs);
  return () => {
    clearInterval(timer);
    out.write('\r\x1b[2K');
  };
}
