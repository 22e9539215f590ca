// Names and values of headers, as Istio and Envoy take them.
import type { Findings } from './finding.js';
import { formatProblem } from './format-check.js';
import { isHeaderName } from './names.js';
import type { FieldPath } from './problem.js';
import { report } from './value-check.js';
import type { Headers } from './virtual-service.js';

const pseudoHeaders = new Set([':method', ':scheme', ':authority', ':path', ':status']);

/** `@request.auth.claims.x` or `@request.auth.claims[x][y]`: a claim of a JWT, in the place of a header. */
export function isJwtClaim(name: string): boolean {
  return /^@request\.auth\.claims(?:\..|\[.)/i.test(name);
}

/** The host of a request, as a header. */
export function isAuthority(name: string): boolean {
  const lower = name.toLowerCase();
  return lower === 'host' || lower === ':authority';
}

/** What is wrong with the name of a header that a match looks at. */
export function matchHeaderProblem(name: string): string | undefined {
  if (name === '') return 'the name of a header must not be empty';
  if (isJwtClaim(name) || pseudoHeaders.has(name) || isHeaderName(name)) return undefined;
  return `${JSON.stringify(name.slice(0, 60))} is not the name of a header`;
}

function operationProblem(name: string, authorityAllowed: boolean): string | undefined {
  if (name === '') return 'the name of a header must not be empty';
  if (isAuthority(name)) {
    return authorityAllowed ? undefined : `${name} can only be set on requests`;
  }
  if (name.startsWith(':')) return `${name.slice(0, 60)} is a pseudo-header`;
  return isHeaderName(name)
    ? undefined
    : `${JSON.stringify(name.slice(0, 60))} is not the name of a header`;
}

/** Envoy's limit on the values that it adds. */
const valueBytesMax = 16_384;

/** What is wrong with a value: what `headerTextProblem` says, or its variables (Envoy: custom request/response headers). */
export function headerValueProblem(value: string): string | undefined {
  return headerTextProblem(value) ?? formatProblem(value);
}

/** What is wrong with a value in which nothing is a variable: its length, or control characters. */
export function headerTextProblem(value: string): string | undefined {
  if (Buffer.byteLength(value) > valueBytesMax) {
    return `a value has at most ${valueBytesMax} bytes`;
  }
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what must not be there
  return /[\x00-\x08\x0a-\x1f\x7f]/.test(value) ? 'the value has control characters' : undefined;
}

/** Header operations: names, values, and the host, which only requests have. */
export function checkHeaders(
  findings: Findings,
  path: FieldPath,
  headers: Headers | undefined,
): void {
  for (const side of ['request', 'response'] as const) {
    const operations = headers?.[side];
    if (!operations) continue;
    for (const operation of ['set', 'add'] as const) {
      for (const [name, value] of Object.entries(operations[operation] ?? {})) {
        const problem = operationProblem(name, side === 'request') ?? headerValueProblem(value);
        report(findings, [...path, side, operation, name], problem);
      }
    }
    for (const [index, name] of (operations.remove ?? []).entries()) {
      report(findings, [...path, side, 'remove', index], operationProblem(name, false));
    }
  }
}

/** The host may be rewritten once: by rewrite.authority or by one header operation. */
export function checkAuthority(
  findings: Findings,
  path: FieldPath,
  route: { rewrite?: { authority?: string }; headers?: Headers },
): void {
  let rewritten = Boolean(route.rewrite?.authority);
  for (const operation of ['set', 'add'] as const) {
    for (const name of Object.keys(route.headers?.request?.[operation] ?? {})) {
      if (!isAuthority(name)) continue;
      const at = [...path, 'headers', 'request', operation, name];
      if (rewritten) findings.invalid(at, 'the host is rewritten twice');
      rewritten = true;
    }
  }
}
