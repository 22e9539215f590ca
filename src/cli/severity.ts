// Severities as the command line takes them.
import type { Severity } from '../kinds/problem.js';
import { ControlPlaneError } from '../lib/error.js';

/** Gravest first. */
export const severities: readonly Severity[] = ['error', 'warning', 'info'];

/** Reads `--fail-on` and `--show`; anything else is wrong usage. */
export function parseSeverity(text: string): Severity {
  const severity = severities.find((known) => known === text);
  if (severity) return severity;
  throw new ControlPlaneError('usage', `a severity is error, warning or info, not ${text}`);
}
