// How commands print: tables for people, JSON and YAML for programs. Nothing here knows what is printed.
import { stringify } from 'yaml';
import { ControlPlaneError } from '../lib/error.js';

export type OutputFormat = 'table' | 'json' | 'yaml';

/** Reads `-o`; anything else is wrong usage (exit code 2). */
export function parseFormat(text: string): OutputFormat {
  if (text === 'table' || text === 'json' || text === 'yaml') return text;
  throw new ControlPlaneError('usage', `-o takes table, json or yaml, not ${text}`);
}

/** Left-aligned columns, two spaces apart, headers in capitals; no trailing blanks. */
export function formatTable(
  headers: readonly string[],
  rows: readonly (readonly string[])[],
): string {
  const widths = headers.map((header, i) =>
    Math.max(header.length, ...rows.map((row) => (row[i] ?? '').length)),
  );
  return [headers, ...rows]
    .map((row) =>
      row
        .map((cell, i) => cell.padEnd(widths[i] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

/** Prints a value as JSON or YAML, or as the table that `table` makes. */
export function print(format: OutputFormat, value: unknown, table: () => string): void {
  const text =
    format === 'json'
      ? JSON.stringify(value, undefined, 2)
      : format === 'yaml'
        ? stringify(value, { aliasDuplicateObjects: false }).trimEnd()
        : table();
  process.stdout.write(`${text}\n`);
}

/** `5s`, `12m`, `3h`, `2d`: an age as `kubectl` shows it. */
export function formatAge(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1000));
  if (seconds < 120) return `${seconds}s`;
  if (seconds < 7200) return `${Math.floor(seconds / 60)}m`;
  if (seconds < 172_800) return `${Math.floor(seconds / 3600)}h`;
  return `${Math.floor(seconds / 86_400)}d`;
}
