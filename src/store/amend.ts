// The common edit in short: some files changed, every document in them speaks for the resource that it spoke for
// before, and nothing is in doubt anywhere. Then only these resources are looked at, where accept.ts goes through all
// there are; the result is the same.
import type { SourceFile, SourceState } from '../config/source.js';
import type { Problem } from '../kinds/problem.js';
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
  problems: readonly Problem[];
  /** What is held anew, some of it perhaps with the same resource in another place. */
  changed: readonly Held[];
}

/** The accepted set after an edit of that sort; undefined when only accept.ts can tell. */
export function amend(
  held: HeldSet,
  before: SourceState | undefined,
  state: SourceState,
): Amended | undefined {
  if (!held.plain || before === undefined || before.files.length !== state.files.length) return;
  const changed: Held[] = [];
  for (const [i, file] of state.files.entries()) {
    const old = before.files[i]!;
    if (old === file) continue;
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
  const bySlot = new Map(held.bySlot);
  // Of these kinds the slot of a resource is its key.
  for (const next of changed) bySlot.set(next.key, next);
  return { held: { ...held, bySlot }, problems: collectProblems(state), changed };
}

function resourceCount(file: SourceFile): number {
  return file.documents.filter(({ id, resource }) => id && resource).length;
}
