// Which of the documents read are in force: the rules of last good, duplicates and moves. Pure: from what was
// held before and what was read now to what is held next.
//
// A claim is a document that says something about a resource. The slot of a resource is its key, except that
// all MeshConfigs share one slot: there is one mesh.
import { isDeepStrictEqual } from 'node:util';
import { isRefused, type LocatedDocument, type Origin } from '../config/document.js';
import type { SourceFile, SourceState } from '../config/source.js';
import { formatPosition, type Problem, type ResourceId, resourceKey } from '../kinds/problem.js';
import type { ParsedResource } from '../kinds/registry.js';
import type { Resource } from '../kinds/resource.js';

/** An accepted resource and where it came from. */
export interface Held {
  /** As resourceKey(resource): made once, because every turn goes through all of them. */
  readonly key: string;
  readonly resource: Resource;
  /** What the source gave; tells by identity that nothing changed. */
  readonly parsed: ParsedResource;
  readonly file: string;
  readonly origin: Origin;
  /** True while a document of a mistyped kind is all that speaks for it. */
  readonly byMistake?: boolean;
}

/** All accepted resources, by slot, and the next place in the order of ages. */
export interface HeldSet {
  readonly bySlot: ReadonlyMap<string, Held>;
  readonly nextSeen: number;
  /** Names of documents of mistyped kinds, as `file namespace/name`. */
  readonly mistaken: ReadonlySet<string>;
  /** All that was read is in force and nothing else is: no mistake, no duplicate, nothing kept from before. */
  readonly plain: boolean;
}

/** Nothing accepted yet. */
export const emptyHeldSet: HeldSet = {
  bySlot: new Map(),
  nextSeen: 0,
  mistaken: new Set(),
  plain: false,
};

/** The kind of which the last in path order counts, whatever its name (DESIGN.md, Contracts). */
export const meshConfigKind = 'MeshConfig';

interface Claim {
  file: SourceFile;
  document: LocatedDocument;
  id: ResourceId;
  slot: string;
}

/** The accepted set after a read, and every problem of it in path order. */
export function accept(
  before: HeldSet,
  state: SourceState,
): { held: HeldSet; problems: readonly Problem[] } {
  const claims = collectClaims(state);
  const winners = chooseWinners(claims, before);
  const duplicates = new Map<LocatedDocument, Problem>();
  for (const claim of claims) {
    const winner = winners.get(claim.slot);
    if (winner !== undefined && winner !== claim && claim.document.resource !== undefined) {
      duplicates.set(claim.document, duplicateProblem(claim, winner));
    }
  }
  const held = { ...hold(before, winners), mistaken: mistakenNames(state) };
  keepLastGood(before, { ...held, claims, state });
  const plain = state.files.every(isPlain) && held.bySlot.size === claims.length;
  return { held: { ...held, plain }, problems: collectProblems(state, duplicates) };
}

/** True when nothing in the file is in doubt: it is whole, and each document is accepted or none of ours. */
export function isPlain(file: SourceFile): boolean {
  return file.whole && file.documents.every((one) => !one.mistaken && !isRefused(one));
}

function collectClaims(state: SourceState): Claim[] {
  const claims: Claim[] = [];
  for (const file of state.files) {
    for (const document of file.documents) {
      const { id } = document;
      if (id === undefined || (document.resource === undefined && !isRefused(document))) continue;
      claims.push({ file, document, id, slot: slotOf(id) });
    }
  }
  return claims;
}

const slots = new WeakMap<ResourceId, string>();

/** The slot of a resource. Ids live as long as their documents do, so unchanged documents cost no new string. */
export function slotOf(id: ResourceId): string {
  let slot = slots.get(id);
  if (slot === undefined) {
    slot = id.kind === meshConfigKind ? meshConfigKind : resourceKey(id);
    slots.set(id, slot);
  }
  return slot;
}

// The first in path order counts; of mesh configs the last. A refused document counts where its last good version
// is in force: mending a document must not have to win the resource back from a duplicate.
function chooseWinners(claims: readonly Claim[], before: HeldSet): Map<string, Claim> {
  const winners = new Map<string, Claim>();
  for (const claim of claims) {
    const standing = before.bySlot.get(claim.slot);
    if (claim.document.resource === undefined && standing?.file !== claim.file.path) continue;
    if (!winners.has(claim.slot) || claim.slot === meshConfigKind) winners.set(claim.slot, claim);
  }
  return winners;
}

function hold(before: HeldSet, winners: ReadonlyMap<string, Claim>) {
  const bySlot = new Map<string, Held>();
  let { nextSeen } = before;
  for (const [slot, { document, file }] of winners) {
    const standing = before.bySlot.get(slot);
    const parsed = document.resource;
    if (parsed === undefined) {
      // By the choice of winners there is a last good version, and it came from this file.
      bySlot.set(slot, standing!);
      continue;
    }
    const firstSeen = standing?.resource.age.firstSeen ?? nextSeen++;
    bySlot.set(
      slot,
      heldFrom({ parsed, origin: document.origin, file: file.path }, standing, firstSeen),
    );
  }
  return { bySlot, nextSeen };
}

/** What is held for a document in force; what stood there before itself when nothing changed. */
export function heldFrom(
  { parsed, origin, file }: Pick<Held, 'parsed' | 'origin' | 'file'>,
  standing: Held | undefined,
  firstSeen: number,
): Held {
  const resource = sameResource(standing, parsed) ?? withAge(parsed, firstSeen);
  const unchanged = standing?.parsed === parsed && standing.origin === origin;
  if (unchanged && !standing.byMistake) return standing;
  return { key: resourceKey(resource), resource, parsed, file, origin };
}

function sameResource(standing: Held | undefined, parsed: ParsedResource): Resource | undefined {
  if (standing === undefined) return undefined;
  const same = standing.parsed === parsed || isDeepStrictEqual(standing.parsed, parsed);
  return same ? standing.resource : undefined;
}

function withAge(parsed: ParsedResource, firstSeen: number): Resource {
  const { creationTimestampMs: timestampMs } = parsed;
  // Written out: spreading makes objects that are larger and slower to read (mesh/make-endpoint.ts).
  const resource: Resource = {
    kind: parsed.kind,
    namespace: parsed.namespace,
    name: parsed.name,
    apiVersion: parsed.apiVersion,
    labels: parsed.labels,
    annotations: parsed.annotations,
    spec: parsed.spec,
    age: timestampMs === undefined ? { firstSeen } : { timestampMs, firstSeen },
  };
  if (parsed.generation !== undefined) resource.generation = parsed.generation;
  return resource;
}

// What nobody provides any more stays in force as long as somebody may still mean to provide it.
function keepLastGood(
  before: HeldSet,
  now: {
    bySlot: Map<string, Held>;
    mistaken: ReadonlySet<string>;
    claims: readonly Claim[];
    state: SourceState;
  },
): void {
  const { bySlot } = now;
  // A refused document in another file than the last good version: the resource moved and broke in one turn.
  for (const claim of now.claims) {
    const standing = before.bySlot.get(claim.slot);
    if (standing === undefined || bySlot.has(claim.slot)) continue;
    bySlot.set(claim.slot, { ...standing, file: claim.file.path });
  }
  const unsure = unsureFiles(now.state, bySlot);
  for (const [slot, standing] of before.bySlot) {
    if (bySlot.has(slot)) continue;
    const name = mistakenName(standing.file, standing.resource);
    // A mistyped document that stood beside the resource before cannot be what became of it.
    const slip = now.mistaken.has(name) && (standing.byMistake || !before.mistaken.has(name));
    if (slip) bySlot.set(slot, { ...standing, byMistake: true });
    else if (unsure.has(standing.file)) bySlot.set(slot, standing);
  }
}

function mistakenNames(state: SourceState): Set<string> {
  const names = new Set<string>();
  for (const { path, documents } of state.files) {
    for (const { mistaken } of documents) if (mistaken) names.add(mistakenName(path, mistaken));
  }
  return names;
}

function mistakenName(file: string, { namespace, name }: { namespace: string; name: string }) {
  return `${file} ${namespace}/${name}`;
}

// A file that is not whole, or one with a refused document that no last good version belongs to: it may be the
// resource that is missing, under a name that was changed in the same edit.
function unsureFiles(state: SourceState, held: ReadonlyMap<string, Held>): Set<string> {
  const unsure = new Set<string>();
  for (const file of state.files) {
    const stray = (document: LocatedDocument) =>
      isRefused(document) && (document.id === undefined || !held.has(slotOf(document.id)));
    if (!file.whole || file.documents.some(stray)) unsure.add(file.path);
  }
  return unsure;
}

function duplicateProblem(claim: Claim, winner: Claim): Problem {
  const { id, document } = claim;
  const where = formatPosition(winner.document.origin);
  const message =
    claim.slot === meshConfigKind
      ? `Another MeshConfig comes later in path order, at ${where}; that one counts.`
      : `${resourceKey(id)} is already defined at ${where}; that one counts.`;
  const { file, line, col } = document.origin;
  return {
    code: 'duplicate-resource',
    severity: 'error',
    message,
    resource: id,
    path: [],
    position: { file, line, col },
  };
}

/** Everything wrong with what was read, in path order. */
export function collectProblems(
  state: SourceState,
  duplicates: ReadonlyMap<LocatedDocument, Problem> = new Map(),
): Problem[] {
  const problems: Problem[] = [...state.problems];
  for (const file of state.files) {
    problems.push(...file.problems);
    for (const document of file.documents) {
      const duplicate = duplicates.get(document);
      if (duplicate !== undefined) problems.push(duplicate);
      problems.push(...document.problems);
    }
  }
  return problems;
}
