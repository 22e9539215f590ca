// The common edit in short: some files changed, every document in them speaks for the resource that it spoke for
// before, and nothing is in doubt anywhere. Then only these resources are looked at, where accept.ts goes through all
// there are; the result is the same.
import type { SourceFile, SourceState } from '../config/source.js';
import type { Problem } from '../kinds/problem.js';
import { patched } from '../lib/patched-map.js';
import { replacements } from '../lib/replaced.js';
import {
  collectProblems,
  type Held,
  type HeldSet,
  heldFrom,
  isPlain,
  meshConfigKind,
  slotOf,
} from './accept.js';

/** What an edit made of the accepted set. */
export interface Amended {
  held: HeldSet;
  /** Absent: those of before. */
  problems?: readonly Problem[];
  /** What is held anew, some of it perhaps with the same resource in another place. */
  changed: readonly Held[];
}

/** The accepted set after an edit of that sort; undefined when only accept.ts can tell. */
export function amend(
  held: HeldSet,
  before: SourceState | undefined,
  state: SourceState,
): Amended | undefined {
  const files = held.plain && before && replacements(before.files, state.files);
  if (!files) return;
  const changed: Held[] = [];
  for (const { before: old, after: file } of files) {
    if (old.path !== file.path || !isPlain(file)) return;
    const slots = new Set<string>();
    for (const { id, resource: parsed, origin } of file.documents) {
      if (id === undefined || parsed === undefined) continue;
      const slot = slotOf(id);
      const standing = held.bySlot.get(slot);
      if (slot === meshConfigKind || standing?.file !== file.path || slots.has(slot)) return;
      slots.add(slot);
      const { firstSeen } = standing.resource.age;
      const next = heldFrom({ parsed, origin, file: file.path }, standing, firstSeen);
      if (next !== standing) changed.push(next);
    }
    if (slots.size !== resourceCount(old)) return;
  }
  // Of these kinds the slot of a resource is its key.
  const bySlot = patched(held.bySlot, new Map(changed.map((next) => [next.key, next])));
  const quiet =
    sameEmpty(before?.problems, state.problems) &&
    files.every((each) => !hasProblems(each.before) && !hasProblems(each.after));
  const problems = quiet ? {} : { problems: collectProblems(state) };
  return { held: { ...held, bySlot }, ...problems, changed };
}

function sameEmpty(a: readonly Problem[] = [], b: readonly Problem[] = []): boolean {
  return a === b || a.length + b.length === 0;
}

function hasProblems({ problems, documents }: SourceFile): boolean {
  return problems.length > 0 || documents.some((document) => document.problems.length > 0);
}

function resourceCount(file: SourceFile): number {
  return file.documents.filter(({ id, resource }) => id && resource).length;
}
