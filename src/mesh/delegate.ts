// Delegation: routes of a VirtualService that go on in another one without hosts are replaced by the routes of that
// one, narrowed to what both match (Istio API, HTTPRoute.delegate). What is doubtful about it is in
// analyze-delegates.ts.
import { memoize } from '../lib/memo.js';
import type { HttpMatch, HttpRule, VirtualService } from './rules.js';
import { isVisible } from './visibility.js';

type StringMatch = NonNullable<HttpMatch['uri']>;

/** Delegates by `namespace/name`. */
export type Delegates = ReadonlyMap<string, VirtualService>;

/** The VirtualServices without hosts: they count only where another one delegates to them. */
export function delegatesOf(virtualServices: readonly VirtualService[]): Delegates {
  const delegates = virtualServices.filter(({ hosts }) => hosts.length === 0);
  return new Map(delegates.map((rule) => [`${rule.source.namespace}/${rule.source.name}`, rule]));
}

/** The delegate of a route, if it exists and is exported to the namespace of `root`. */
export function findDelegate(
  { namespace, name }: NonNullable<HttpRule['delegate']>,
  root: VirtualService,
  delegates: Delegates,
): VirtualService | undefined {
  const rootNamespace = root.source.namespace;
  const found = delegates.get(`${namespace || rootNamespace}/${name ?? ''}`);
  return found && isVisible(found.visibility, rootNamespace) ? found : undefined;
}

/** `root` with its delegates' routes in place of its own; `root` itself when it delegates nothing. */
export function withDelegates(root: VirtualService, delegates: Delegates): VirtualService {
  const delegating = root.http.filter((rule) => rule.delegate !== undefined);
  if (delegating.length === 0) return root;
  return merged(
    root,
    ...delegating.map(({ delegate }) => findDelegate(delegate ?? {}, root, delegates)),
  );
}

/** `targets`: one for each rule that delegates, in order; a rule without its target is left out. */
const merged = memoize(
  (root: VirtualService, ...targets: readonly (VirtualService | undefined)[]): VirtualService => {
    let next = 0;
    const http = root.http.flatMap((rule): readonly HttpRule[] => {
      if (rule.delegate === undefined) return [rule];
      return targets[next++]?.http.flatMap((inner) => mergeRules(rule, inner) ?? []) ?? [];
    });
    const delegates = targets.flatMap((target) => (target ? [target.source] : []));
    return { ...root, http, delegates };
  },
);

/** The delegate's rule with what it leaves open taken from the root's; undefined when no request can match both. */
export function mergeRules(root: HttpRule, inner: HttpRule): HttpRule | undefined {
  const match = mergeMatches(root.match ?? [], inner.match ?? []);
  if (match === undefined) return undefined;
  const { delegate: _delegate, match: _match, ...inherited } = root;
  const name = joinNames(root.name, inner.name);
  return {
    ...inherited,
    ...definedOnly(inner),
    ...(name && { name }),
    match,
  };
}

/**
 * Each match of the delegate with each of the root's that it is a part of. One that is a part of none makes the whole
 * rule void, as in Istio.
 */
function mergeMatches(
  root: readonly HttpMatch[],
  inner: readonly HttpMatch[],
): HttpMatch[] | undefined {
  if (root.length === 0) return [...inner];
  if (inner.length === 0) return [...root];
  const out: HttpMatch[] = [];
  for (const leaf of inner) {
    const wider = root.filter((match) => !conflicts(match, leaf));
    if (wider.length === 0) return undefined;
    for (const match of wider) out.push(mergeMatch(match, leaf));
  }
  return out;
}

const mapFields = ['headers', 'withoutHeaders', 'queryParams', 'sourceLabels'] as const;

function mergeMatch(root: HttpMatch, leaf: HttpMatch): HttpMatch {
  const name = joinNames(root.name, leaf.name);
  const out: Record<string, unknown> = { ...root, ...definedOnly(leaf), ...(name && { name }) };
  for (const field of mapFields) {
    if (root[field] || leaf[field]) out[field] = { ...root[field], ...leaf[field] };
  }
  return out as HttpMatch;
}

const singleFields = ['uri', 'scheme', 'method', 'authority'] as const;
const stringMaps = ['headers', 'withoutHeaders', 'queryParams'] as const;

/** Whether `leaf` is not, or cannot be shown to be, a part of `root`. */
function conflicts(root: HttpMatch, leaf: HttpMatch): boolean {
  if (singleFields.some((field) => isWider(leaf[field], root[field]))) return true;
  for (const field of stringMaps) {
    for (const [key, value] of Object.entries(leaf[field] ?? {})) {
      if (isWider(value, own(root[field], key))) return true;
    }
  }
  if (Boolean(root.ignoreUriCase) !== Boolean(leaf.ignoreUriCase)) return true;
  if (root.port && leaf.port && root.port !== leaf.port) return true;
  // As Istio has it: a namespace of the root must be repeated.
  if (root.sourceNamespace && leaf.sourceNamespace !== root.sourceNamespace) return true;
  for (const [key, value] of Object.entries(leaf.sourceLabels ?? {})) {
    const wanted = own(root.sourceLabels, key);
    if (wanted !== undefined && wanted !== value) return true;
  }
  const gateways = root.gateways ?? [];
  return gateways.length > 0 && !(leaf.gateways ?? []).every((name) => gateways.includes(name));
}

function own<T>(map: Readonly<Record<string, T>> | undefined, key: string): T | undefined {
  return map !== undefined && Object.hasOwn(map, key) ? map[key] : undefined;
}

/** Both are given, and `leaf` may match what `root` does not. Regular expressions are not compared. */
function isWider(leaf: StringMatch | undefined, root: StringMatch | undefined): boolean {
  if (root === undefined || leaf === undefined) return false;
  if (root.regex || leaf.regex) return true;
  if (root.exact) return leaf.exact !== root.exact;
  const text = leaf.prefix || leaf.exact;
  return !root.prefix || !text?.startsWith(root.prefix);
}

function joinNames(root: string | undefined, inner: string | undefined): string | undefined {
  return root && inner ? `${root}-${inner}` : inner || root;
}

/** What is really given: an empty list, text or number leaves the root's in force. */
function definedOnly<T extends object>(given: T): Partial<T> {
  const entries = Object.entries(given).filter(
    ([, value]) =>
      value !== undefined && value !== '' && !(Array.isArray(value) && value.length === 0),
  );
  return Object.fromEntries(entries) as Partial<T>;
}
