// Reads the values of flags. What cannot be read is wrong usage (exit code 2), never an Envoy that is set up with NaN.
import { isIP } from 'node:net';
import { ControlPlaneError, errorMessage } from '../lib/error.js';

function usage(message: string): never {
  throw new ControlPlaneError('usage', message);
}

/** A flag that may be repeated: commander gives the words so far. */
export const collect = (word: string, words: readonly string[] = []): string[] => [...words, word];

/** One of the words. */
export function oneOf<const Word extends string>(
  flag: string,
  value: string,
  allowed: readonly Word[],
): Word {
  const found = allowed.find((word) => word === value);
  return found ?? usage(`${flag} takes ${allowed.join(', ')}, not ${value}`);
}

/** A whole number from 0; for commander, which calls it with the text. */
export function wholeNumber(text: string): number {
  return /^\d{1,15}$/.test(text) ? Number(text) : usage(`a whole number is wanted, not ${text}`);
}

/** A port; 0 is one too, where it has a meaning. */
export function portNumber(text: string): number {
  const port = wholeNumber(text);
  return port <= 65535 ? port : usage(`a port is at most 65535, not ${text}`);
}

/** `['10.0.0.1', '::1,::2']` -> three addresses. */
export function ipList(words: readonly string[] = []): string[] {
  const ips = commaSeparated(words);
  for (const ip of ips) if (isIP(ip) === 0) usage(`--ip takes IP addresses, not ${ip}`);
  return ips;
}

/** `['app=web', 'a=b,c=d']` -> `{app: 'web', a: 'b', c: 'd'}`. */
export function keyValues(words: readonly string[] = []): Record<string, string> {
  const entries = commaSeparated(words);
  return Object.fromEntries(
    entries.map((entry) => {
      const equals = entry.indexOf('=');
      if (equals < 1) usage(`a label is KEY=VALUE, not ${entry}`);
      return [entry.slice(0, equals), entry.slice(equals + 1)];
    }),
  );
}

/** The words of a repeatable flag that also takes lists. */
export function commaSeparated(words: readonly string[]): string[] {
  return words.flatMap((word) => word.split(',')).filter((word) => word !== '');
}

/** A JSON object, or nothing. */
export function jsonObject(
  flag: string,
  text: string | undefined,
): Record<string, unknown> | undefined {
  if (text === undefined) return undefined;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    usage(`${flag} takes JSON: ${errorMessage(cause)}`);
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    usage(`${flag} takes a JSON object, not ${text}`);
  }
  return value as Record<string, unknown>;
}
