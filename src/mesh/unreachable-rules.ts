// Rules of a VirtualService that come too late: behind one that always matches, or behind the same match. Whether one
// pattern covers another (a prefix of a prefix, a regular expression) is not asked.
import type { FieldPath, Problem } from '../kinds/problem.js';
import type { HttpMatch, TcpRule, VirtualService } from './rules.js';

type TcpMatch = NonNullable<TcpRule['match']>[number];

/** What can never be used, at the rule, or at the match when others of its rule can. */
export function unreachableRules(rule: VirtualService): Problem[] {
  return [
    ...tooLate(rule, 'http', rule.http, isHttpCatchAll),
    ...tooLate(rule, 'tcp', rule.tcp, isTcpCatchAll),
  ];
}

function tooLate<Match extends object, Rule extends { match?: Match[] | undefined }>(
  { source }: VirtualService,
  section: 'http' | 'tcp',
  rules: readonly Rule[],
  isCatchAll: (match: Match) => boolean,
): Problem[] {
  const out: Problem[] = [];
  const seen = new Map<string, string>();
  let catchAll: number | undefined;
  const report = (path: FieldPath, message: string) => {
    out.push({ code: 'unreachable-rule', severity: 'warning', message, resource: source, path });
  };
  for (const [i, { match }] of rules.entries()) {
    if (catchAll !== undefined) {
      report(['spec', section, i], `never reached: ${section}[${catchAll}] always matches`);
      continue;
    }
    if (match === undefined || match.length === 0) catchAll = i;
    for (const [j, one] of (match ?? []).entries()) {
      const key = canonical(conditionsOf(one));
      const earlier = seen.get(key);
      if (earlier !== undefined) {
        report(['spec', section, i, 'match', j], `never reached: same as ${earlier}`);
      } else {
        seen.set(key, `${section}[${i}].match[${j}]`);
      }
      if (isCatchAll(one)) catchAll = i;
    }
  }
  return out;
}

/** Names do not decide what matches. */
function conditionsOf(match: object): Record<string, unknown> {
  const { name: _name, statPrefix: _statPrefix, ...conditions } = match as Partial<HttpMatch>;
  return conditions;
}

function isHttpCatchAll(match: HttpMatch): boolean {
  const { uri, ignoreUriCase: _case, ...others } = conditionsOf(match) as Partial<HttpMatch>;
  const anyPath = uri === undefined || uri.prefix === '/' || uri.regex === '.*';
  return anyPath && isEmpty(others);
}

function isTcpCatchAll(match: TcpMatch): boolean {
  return isEmpty(conditionsOf(match));
}

/** True when no condition is left; a `gateways` of mesh alone is none for a sidecar. */
function isEmpty(conditions: Record<string, unknown>): boolean {
  return Object.entries(conditions).every(([key, value]) => {
    if (value === undefined || value === '') return true;
    if (key === 'gateways') return Array.isArray(value) && value.includes('mesh');
    return typeof value === 'object' && value !== null && Object.keys(value).length === 0;
  });
}

/** JSON with sorted keys. */
function canonical(value: unknown): string {
  return JSON.stringify(value, (_key, part: unknown) =>
    typeof part === 'object' && part !== null && !Array.isArray(part)
      ? Object.fromEntries(Object.entries(part).sort(([a], [b]) => (a < b ? -1 : 1)))
      : part,
  );
}
