// Parts and unions of one type's resources: what a client that names its resources may see, and the state between
// an old and a new one in which nothing is missing. Remembered by identity, so that streams in step share them.
import type { ResourceName, Version } from '../envoy/resource.js';
import { memoize } from '../lib/memo.js';
import { hasGivenVersion, layeredSnapshot, layersOf, typeSnapshot } from './build-snapshot.js';
import { contentVersion } from './content-version.js';
import { distinctLayers } from './diff.js';
import { isHeldOnly, isHeldSnapshot } from './held.js';
import type { EncodedResource, TypeSnapshot } from './snapshot.js';

/** Names in sorted order, one object for each distinct set (xds/name-set.ts makes them). */
export interface SortedNames {
  readonly sorted: readonly ResourceName[];
}

/**
 * The resources of those names. The version is over the names asked for, the missing ones included: a client that
 * comes back with this version and these names has had an answer for each of them.
 */
export const selectNames: (type: TypeSnapshot, names: SortedNames) => TypeSnapshot = memoize(
  (type: TypeSnapshot, names: SortedNames): TypeSnapshot => {
    if (hasGivenVersion(type)) return select(type, names);
    // What clients hold is mostly what there is.
    let known = selected.get(names);
    if (known === undefined) {
      known = new Map();
      selected.set(names, known);
    }
    const before = known.get(type.version)?.deref();
    if (before !== undefined) return before;
    const made = select(type, names);
    for (const resource of made.resources.values()) if (isHeldOnly(resource)) return made;
    if (known.size >= selectedMax) known.clear();
    known.set(type.version, new WeakRef(made));
    return made;
  },
);

/** Selections by the names and the version that they were made of. */
const selected = new WeakMap<SortedNames, Map<Version, WeakRef<TypeSnapshot>>>();
const selectedMax = 8;

function select(type: TypeSnapshot, names: SortedNames): TypeSnapshot {
  const resources = new Map<ResourceName, EncodedResource>();
  const lines: string[] = [];
  for (const name of names.sorted) {
    const resource = type.resources.get(name);
    if (resource !== undefined) resources.set(name, resource);
    lines.push(`${name}\n${resource?.version ?? ''}\n`);
  }
  if (hasGivenVersion(type)) return typeSnapshot(resources, undefined, type.version);
  return { version: contentVersion(lines.join('')) as Version, resources };
}

/**
 * Everything of `after`, and what only `before` has: the state for make-before-break. Gives `after` itself when
 * nothing would be left over, and `before` itself when it has all of `after` already.
 */
export const unionTypes: (before: TypeSnapshot, after: TypeSnapshot) => TypeSnapshot = memoize(
  (before: TypeSnapshot, after: TypeSnapshot): TypeSnapshot => {
    if (before === after || before.version === after.version) return after;
    if (before.layers === undefined && after.layers === undefined) {
      const rest = leftOver(before, after);
      if (rest === undefined) return after;
      return typeSnapshot(new Map([...after.resources, ...rest.resources]), before);
    }
    const { olds, news } = distinctLayers(before, after);
    const rests = olds.flatMap((old, i) => {
      const rest = leftOver(old, news[i]);
      return (rest && withoutNamesOf(rest, after)) ?? [];
    });
    if (rests.length === 0) return after;
    // What a client came with has no bytes to send again.
    const previous = isHeldSnapshot(before) ? undefined : before;
    return layeredSnapshot([...layersOf(after), ...fewLayers(rests)], previous);
  },
);

/** What only `before` has, shared by all who come this way; undefined when there is nothing. */
const leftOver = memoize(
  (before: TypeSnapshot, after: TypeSnapshot | undefined): TypeSnapshot | undefined =>
    after === undefined ? before : withoutNamesOf(before, after),
);

/** `type` itself when it has none of the names of `other`; undefined when it has no others. */
function withoutNamesOf(type: TypeSnapshot, other: TypeSnapshot): TypeSnapshot | undefined {
  const rest = [...type.resources].filter(([name]) => !other.resources.has(name));
  if (rest.length === type.resources.size) return type;
  return rest.length === 0 ? undefined : typeSnapshot(new Map(rest));
}

/** A client that stays behind for long collects remains of many states: a lookup must not ask each of them. */
const remainsMax = 4;

function fewLayers(rests: readonly TypeSnapshot[]): readonly TypeSnapshot[] {
  if (rests.length <= remainsMax) return rests;
  return [typeSnapshot(new Map(rests.flatMap(({ resources }) => [...resources])))];
}
