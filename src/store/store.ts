// Keeps the present generation and the record of the last ones. Which documents are in force is accept.ts; the
// clock and the sources belong to the caller.

import { isDeepStrictEqual } from 'node:util';
import type { Origin } from '../config/document.js';
import type { SourceState } from '../config/source.js';
import type { Problem } from '../kinds/problem.js';
import type { Resource } from '../kinds/resource.js';
import { sameOr } from '../lib/memo.js';
import { patched } from '../lib/patched-map.js';
import { replaceAll } from '../lib/replaced.js';
import { accept, emptyHeldSet, type HeldSet } from './accept.js';
import { type Amended, amend } from './amend.js';
import type { Acceptance, Generation, GenerationRecord } from './generation.js';

/** How many generations `history` remembers by default. */
const defaultHistory = 50;

/** The accepted resource set over time. */
export class Store {
  readonly #historyMax: number;
  #held: HeldSet = emptyHeldSet;
  #lastState: SourceState | undefined;
  #current: Generation = emptyGeneration;
  #kinds: Kinds = new Map();
  #history: GenerationRecord[] = [];

  constructor(options: { historyMax?: number } = {}) {
    this.#historyMax = options.historyMax ?? defaultHistory;
  }

  /** The state in force; generation 0 before the first read. */
  get current(): Generation {
    return this.#current;
  }

  /** The last generations, oldest first. */
  get history(): readonly GenerationRecord[] {
    return this.#history;
  }

  /**
   * Takes what a source gave. `timeMs` is now, in ms since the epoch. The first call always makes generation 1;
   * later ones make a new generation only when a resource was added, updated or removed.
   */
  accept(state: SourceState, timeMs: number): Acceptance {
    const before = this.#current;
    if (state === this.#lastState) {
      return { generation: before, resourcesChanged: false, problemsChanged: false };
    }
    const amended = amend(this.#held, this.#lastState, state);
    this.#lastState = state;
    const { held, problems: found = before.problems } = amended ?? accept(this.#held, state);
    const problemsChanged = !sameProblems(before.problems, found);
    const problems = problemsChanged ? found : before.problems;
    const origin = originLookup(held);
    const { resources, changes, updates } = amended
      ? amendResources(before.resources, amended)
      : { ...nextResources(before.resources, held), updates: undefined };
    this.#held = held;
    if (updates !== undefined) this.#kinds = amendKinds(this.#kinds, updates);
    else if (changes !== undefined) this.#kinds = groupByKind(resources, this.#kinds);
    const resourcesChanged = changes !== undefined || before.id === 0;
    const id = resourcesChanged ? before.id + 1 : before.id;
    const time = resourcesChanged ? timeMs : before.timeMs;
    const kinds = this.#kinds;
    this.#current = makeGeneration({ id, timeMs: time, problems, resources, kinds, origin });
    if (!resourcesChanged) return { generation: this.#current, resourcesChanged, problemsChanged };
    const record = { id, timeMs, ...(changes ?? noChanges) };
    this.#history = [...this.#history, record].slice(-this.#historyMax);
    return { generation: this.#current, resourcesChanged, problemsChanged, record };
  }
}

type Changes = Pick<GenerationRecord, 'added' | 'updated' | 'removed'>;

const noChanges: Changes = { added: [], updated: [], removed: [] };

type Resources = ReadonlyMap<string, Resource>;

const emptyGeneration: Generation = {
  id: 0,
  timeMs: 0,
  resources: new Map(),
  problems: [],
  meshConfig: undefined,
  byKind: () => [],
  origin: () => undefined,
};

// Asked for by people only, so the index is made when the first of them asks.
function originLookup(held: HeldSet): Generation['origin'] {
  let origins: Map<string, Origin> | undefined;
  return (key) => {
    origins ??= new Map([...held.bySlot.values()].map((one) => [one.key, one.origin]));
    return origins.get(key);
  };
}

// Gives the map of before when nothing changed, and its order of keys when only values did.
function nextResources(
  before: Resources,
  held: HeldSet,
): { resources: Resources; changes: Changes | undefined } {
  const byKey = new Map<string, Resource>();
  for (const { key, resource } of held.bySlot.values()) byKey.set(key, resource);
  const gone = new Set([...before.keys()].filter((key) => !byKey.has(key)));
  const others = new Map([...byKey].filter(([key, resource]) => before.get(key) !== resource));
  return movedResources(before, { gone, others });
}

/** Without some, and with others, which may be new. */
function movedResources(
  before: Resources,
  { gone, others }: { gone: ReadonlySet<string>; others: Resources },
): { resources: Resources; changes: Changes | undefined } {
  if (gone.size + others.size === 0) return { resources: before, changes: undefined };
  const added = [...others.keys()].filter((key) => !before.has(key)).sort();
  const updated: string[] = [];
  const resources = new Map<string, Resource>();
  let next = 0;
  const addUpTo = (limit: string | undefined) => {
    while (next < added.length && (limit === undefined || added[next]! < limit)) {
      const key = added[next++]!;
      resources.set(key, others.get(key)!);
    }
  };
  for (const [key, standing] of before) {
    addUpTo(key);
    if (gone.has(key)) continue;
    const other = others.get(key);
    if (other !== undefined) updated.push(key);
    resources.set(key, other ?? standing);
  }
  addUpTo(undefined);
  return { resources, changes: { added, updated, removed: [...gone] } };
}

interface Update {
  before: Resource;
  after: Resource;
}

// As nextResources, where it is known what came, went and changed. `updates`: where only values did.
function amendResources(
  before: Resources,
  { changed, came, went }: Amended,
): { resources: Resources; changes: Changes | undefined; updates?: readonly Update[] } {
  const updated = new Map<string, Resource>();
  const updates: Update[] = [];
  for (const { key, resource: after } of changed) {
    const standing = before.get(key)!;
    if (standing === after) continue;
    updated.set(key, after);
    updates.push({ before: standing, after });
  }
  if (came.length + went.length > 0) {
    for (const { key, resource } of came) updated.set(key, resource);
    const gone = new Set(went.map(({ key }) => key).sort());
    return movedResources(before, { gone, others: updated });
  }
  if (updates.length === 0) return { resources: before, changes: undefined, updates };
  const changes = { added: [], updated: [...updated.keys()].sort(), removed: [] };
  return { resources: patched(before, updated), changes, updates };
}

interface GenerationParts {
  id: number;
  timeMs: number;
  problems: readonly Problem[];
  resources: Resources;
  kinds: Kinds;
  origin: Generation['origin'];
}

function makeGeneration({ kinds, ...parts }: GenerationParts): Generation {
  return {
    ...parts,
    meshConfig: kinds.get('MeshConfig')?.[0],
    byKind: (kind) => kinds.get(kind) ?? none,
  };
}

type Kinds = ReadonlyMap<string, readonly Resource[]>;

const none: readonly Resource[] = [];

function groupByKind(resources: Resources, before: Kinds): Kinds {
  const groups = new Map<string, Resource[]>();
  let kind: string | undefined;
  let group: Resource[] = [];
  // The keys begin with the kind, so that all of a kind follow one another.
  for (const resource of resources.values()) {
    if (resource.kind !== kind) {
      kind = resource.kind;
      group = groups.get(kind) ?? [];
      groups.set(kind, group);
    }
    group.push(resource);
  }
  const shared = new Map<string, readonly Resource[]>();
  for (const [kind, group] of groups) shared.set(kind, sameOr(before.get(kind), group));
  return shared;
}

// As groupByKind, where only these resources are others than before.
function amendKinds(before: Kinds, updates: readonly Update[]): Kinds {
  if (updates.length === 0) return before;
  const kinds = new Map(before);
  for (const kind of new Set(updates.map((update) => update.before.kind))) {
    const ofKind = updates.filter((update) => update.before.kind === kind);
    kinds.set(kind, replaceAll(before.get(kind) ?? none, ofKind));
  }
  return kinds;
}

function sameProblems(before: readonly Problem[], now: readonly Problem[]): boolean {
  if (before.length !== now.length) return false;
  return now.every((problem, i) => problem === before[i] || isDeepStrictEqual(problem, before[i]));
}
