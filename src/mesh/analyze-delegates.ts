// Findings about delegation: a delegate that does not exist or is not exported, one that nobody uses, and routes of
// one that no request can reach because the delegating rule matches something else.
import type { FieldPath, Problem } from '../kinds/problem.js';
import { amendable } from '../lib/replaced.js';
import type { Parts } from './analyzed-parts.js';
import { delegatesOf, findDelegate, mergeRules } from './delegate.js';
import type { VirtualService } from './rules.js';

/** Everything about delegation. */
export function analyzeDelegates({
  writtenVirtualServices,
}: Parts<'writtenVirtualServices'>): readonly Problem[] {
  return delegationProblems(writtenVirtualServices);
}

const delegationProblems = amendable(findProblems, ({ result, changes }) => {
  const isPlain = ({ hosts, http }: VirtualService) =>
    hosts.length > 0 && http.every(({ delegate }) => delegate === undefined);
  const arePlain = changes.every(({ before, after }) => isPlain(before) && isPlain(after));
  return arePlain ? result : undefined;
});

function findProblems(writtenVirtualServices: readonly VirtualService[]): readonly Problem[] {
  const delegates = delegatesOf(writtenVirtualServices);
  const used = new Set<VirtualService>();
  const problems = writtenVirtualServices.flatMap((root) =>
    root.http.flatMap((rule, i): Problem[] => {
      if (rule.delegate === undefined) return [];
      const path = ['spec', 'http', i, 'delegate'];
      const target = findDelegate(rule.delegate, root, delegates);
      if (target === undefined) return [unknown(root, path)];
      used.add(target);
      const void_ = target.http.filter((inner) => mergeRules(rule, inner) === undefined);
      return void_.map((inner) => conflict(root, path, target, target.http.indexOf(inner)));
    }),
  );
  const unused = [...delegates.values()].filter((rule) => !used.has(rule));
  return [...problems, ...unused.map(notUsed)];
}

function unknown({ source }: VirtualService, path: FieldPath): Problem {
  const message = 'no VirtualService without hosts has this name and is exported to here; skipped';
  return { code: 'unknown-delegate', severity: 'error', message, resource: source, path };
}

function conflict(
  { source }: VirtualService,
  path: FieldPath,
  target: VirtualService,
  index: number,
): Problem {
  const name = `${target.source.namespace}/${target.source.name}`;
  const message = `http[${index}] of ${name} is skipped: its matches are not a part of those here`;
  return { code: 'delegate-conflict', severity: 'warning', message, resource: source, path };
}

function notUsed({ source }: VirtualService): Problem {
  const message = 'without hosts it is a delegate, and no VirtualService delegates to it';
  return { code: 'unused-delegate', severity: 'warning', message, resource: source, path: [] };
}
