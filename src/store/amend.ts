// The common edit in short: some files changed, and every document in them speaks for the resource that it spoke for
// before; or files came or went whose resources are in no other; and nothing is in doubt anywhere. Then only these resources are looked at, where accept.ts goes through all
// there are; the result is the same.
import type { LocatedDocument } from '../config/document.js';
import type { SourceFile, SourceState } from '../config/source.js';
import type { Problem } from '../kinds/problem.js';
import { patched } from '../lib/patched-map.js';
import { type Replacement, replacements } from '../lib/replaced.js';
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
  came: readonly Held[];
  went: readonly Held[];
}

/** The accepted set after an edit of that sort; undefined when only accept.ts can tell. */
export function amend(
  held: HeldSet,
  before: SourceState | undefined,
  state: SourceState,
): Amended | undefined {
  const files = held.plain && before && fileEdits(before.files, state.files);
  if (!files) return;
  const changed: Held[] = [];
  for (const { before: old, after: file } of files.changed) {
    if (old.path !== file.path || !isPlain(file)) return;
    const documents = slotsOf(file);
    if (documents?.size !== resourceCount(old)) return;
    for (const [slot, { resource: parsed, origin }] of documents) {
      const standing = held.bySlot.get(slot);
      if (standing?.file !== file.path || parsed === undefined) return;
      const { firstSeen } = standing.resource.age;
      const next = heldFrom({ parsed, origin, file: file.path }, standing, firstSeen);
      if (next !== standing) changed.push(next);
    }
  }
  const came = new Map<string, Held>();
  let { nextSeen } = held;
  for (const file of files.came) {
    const documents = isPlain(file) ? slotsOf(file) : undefined;
    if (documents === undefined) return;
    for (const [slot, { resource: parsed, origin }] of documents) {
      if (held.bySlot.has(slot) || came.has(slot) || !parsed) return;
      came.set(slot, heldFrom({ parsed, origin, file: file.path }, undefined, nextSeen++));
    }
  }
  const went: Held[] = [];
  for (const file of files.went) {
    for (const slot of slotsOf(file)?.keys() ?? [meshConfigKind]) {
      const standing = held.bySlot.get(slot);
      if (slot === meshConfigKind || standing === undefined) return;
      went.push(standing);
    }
  }
  const edits = { changed, came: [...came.values()], went };
  const bySlot = amendedSlots(held.bySlot, edits);
  const touched = [...files.came, ...files.went, ...files.changed.flatMap(bothOf)];
  const quiet = sameEmpty(before?.problems, state.problems) && !touched.some(hasProblems);
  const problems = quiet ? {} : { problems: collectProblems(state) };
  return { held: { ...held, bySlot, nextSeen }, ...problems, ...edits };
}

interface FileEdits {
  changed: readonly Pick<Replacement<SourceFile>, 'before' | 'after'>[];
  came: readonly SourceFile[];
  went: readonly SourceFile[];
}

/** More files than this between the first and the last that came or went are not looked at one by one. */
const movedMax = 64;

function fileEdits(
  before: readonly SourceFile[],
  after: readonly SourceFile[],
): FileEdits | undefined {
  const changed = replacements(before, after);
  if (changed !== undefined) return { changed, came: [], went: [] };
  let start = 0;
  while (start < before.length && before[start] === after[start]) start++;
  let [oldEnd, newEnd] = [before.length, after.length];
  while (oldEnd > start && newEnd > start && before[oldEnd - 1] === after[newEnd - 1]) {
    oldEnd--;
    newEnd--;
  }
  if (oldEnd + newEnd - 2 * start > movedMax) return undefined;
  const old = new Map(before.slice(start, oldEnd).map((file) => [file.path, file]));
  const next = new Map(after.slice(start, newEnd).map((file) => [file.path, file]));
  const both = [...next].flatMap(([path, file]) => {
    const was = old.get(path);
    return was && was !== file ? [{ before: was, after: file }] : [];
  });
  const came = [...next.values()].filter(({ path }) => !old.has(path));
  const went = [...old.values()].filter(({ path }) => !next.has(path));
  return { changed: both, came, went };
}

/** The resources of a file by slot; undefined where two have one, or where it has the mesh's settings. */
function slotsOf(file: SourceFile): ReadonlyMap<string, LocatedDocument> | undefined {
  const found = new Map<string, LocatedDocument>();
  for (const document of file.documents) {
    const { id, resource } = document;
    if (id === undefined || resource === undefined) continue;
    const slot = slotOf(id);
    if (slot === meshConfigKind || found.has(slot)) return undefined;
    found.set(slot, document);
  }
  return found;
}

function amendedSlots(
  bySlot: HeldSet['bySlot'],
  { changed, came, went }: Pick<Amended, 'changed' | 'came' | 'went'>,
): HeldSet['bySlot'] {
  // Of these kinds the slot of a resource is its key.
  if (came.length + went.length === 0) {
    return patched(bySlot, new Map(changed.map((next) => [next.key, next])));
  }
  const copy = new Map(bySlot);
  for (const { key } of went) copy.delete(key);
  for (const next of [...changed, ...came]) copy.set(next.key, next);
  return copy;
}

const bothOf = ({ before, after }: FileEdits['changed'][number]) => [before, after];

function sameEmpty(a: readonly Problem[] = [], b: readonly Problem[] = []): boolean {
  return a === b || a.length + b.length === 0;
}

function hasProblems({ problems, documents }: SourceFile): boolean {
  return problems.length > 0 || documents.some((document) => document.problems.length > 0);
}

function resourceCount(file: SourceFile): number {
  return file.documents.filter(({ id, resource }) => id && resource).length;
}
