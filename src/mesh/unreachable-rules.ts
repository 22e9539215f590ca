// Rules of a VirtualService that come too late: everything that they take is taken by rules before them. When that is
// so is match-covers.ts.
import type { FieldPath, Problem } from '../kinds/problem.js';
import { httpMatchCovers, l4MatchCovers } from './match-covers.js';
import type { HttpMatch, TcpRule, TlsRule, VirtualService } from './rules.js';

type L4Match = NonNullable<(TcpRule | TlsRule)['match']>[number];

type Covers<Match> = (wide: Match, narrow: Match, gateways: readonly string[]) => boolean;

/** Matches of one resource beyond which they are not compared with each other: it takes time squared. */
const comparedMax = 1000;

/** What can never be used, at the rule, or at the match when others of its rule can. */
export function unreachableRules(rule: VirtualService): Problem[] {
  return [
    ...tooLate<HttpMatch>(rule, 'http', httpMatchCovers),
    ...tooLate<L4Match>(rule, 'tcp', l4MatchCovers),
    ...tooLate<L4Match>(rule, 'tls', l4MatchCovers),
  ];
}

interface Earlier<Match> {
  match: Match;
  where: string;
}

function tooLate<Match extends object>(
  rule: VirtualService,
  section: 'http' | 'tcp' | 'tls',
  covers: Covers<Match>,
): Problem[] {
  const rules = rule[section] as readonly { match?: readonly Match[] }[];
  const out: Problem[] = [];
  const earlier: Earlier<Match>[] = [];
  const report = (code: 'unreachable-rule' | 'ineffective-match', path: FieldPath, why: string) => {
    out.push({
      code,
      severity: code === 'unreachable-rule' ? 'warning' : 'info',
      message: `never reached: ${why}`,
      resource: rule.source,
      path: ['spec', section, ...path],
    });
  };
  for (const [i, { match = [] }] of rules.entries()) {
    const given = match.length === 0 ? [{} as Match] : match;
    const late = given.flatMap((one, j): { j: number; by: Earlier<Match> }[] => {
      const by = earlier.find(({ match: other }) => covers(other, one, rule.gateways));
      const where = match.length === 0 ? `${section}[${i}]` : `${section}[${i}].match[${j}]`;
      if (by !== undefined) return [{ j, by }];
      if (earlier.length < comparedMax) earlier.push({ match: one, where });
      return [];
    });
    if (late.length === given.length) {
      const takers = [...new Set(late.map(({ by }) => by.where))].slice(0, 3).join(', ');
      report('unreachable-rule', [i], `${takers} takes the same or more`);
    } else {
      for (const { j, by } of late) {
        report('ineffective-match', [i, 'match', j], `${by.where} takes the same or more`);
      }
    }
  }
  return out;
}
