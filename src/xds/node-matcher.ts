// Envoy's NodeMatcher on the node of a stream (envoy.type.matcher.v3, as CSDS requests carry it). Regular expressions
// and extensions are refused: a stranger's expression can hold the event loop for ever.
import type { XdsNode } from './node.js';

/** A matcher that this server does not take; the message is for the client. */
export class MatcherError extends Error {}

/** envoy.type.matcher.v3.NodeMatcher as the codec decodes it. Both parts have to hold; absent ones do. */
export interface NodeMatcher {
  readonly node_id?: StringMatcher | null;
  readonly node_metadatas?: readonly StructMatcher[];
}

interface StringMatcher {
  readonly match_pattern?: string;
  readonly exact?: string;
  readonly prefix?: string;
  readonly suffix?: string;
  readonly contains?: string;
  readonly ignore_case?: boolean;
}

interface StructMatcher {
  readonly path?: readonly { readonly key?: string }[];
  readonly value?: ValueMatcher | null;
}

interface ValueMatcher {
  readonly match_pattern?: string;
  readonly string_match?: StringMatcher;
  readonly double_match?: {
    readonly match_pattern?: string;
    readonly exact?: number;
    readonly range?: { readonly start: number; readonly end: number };
  };
  readonly bool_match?: boolean;
  readonly present_match?: boolean;
  readonly list_match?: { readonly one_of?: ValueMatcher };
  readonly or_match?: { readonly value_matchers?: readonly ValueMatcher[] };
}

/** Whether one of the matchers holds; no matcher at all matches every node. Throws MatcherError. */
export function matchesNode(matchers: readonly NodeMatcher[], node: XdsNode): boolean {
  return matchers.length === 0 || matchers.some((matcher) => matchesOne(matcher, node));
}

function matchesOne(matcher: NodeMatcher, node: XdsNode): boolean {
  if (matcher.node_id && !matchesString(matcher.node_id, node.id)) return false;
  return (matcher.node_metadatas ?? []).every(({ path = [], value }) => {
    let at: unknown = node.metadata;
    for (const { key = '' } of path) {
      const isStruct = typeof at === 'object' && at !== null && !Array.isArray(at);
      at = isStruct && Object.hasOwn(at as object, key) ? (at as never)[key] : undefined;
    }
    return value ? matchesValue(value, at) : false;
  });
}

function matchesValue(matcher: ValueMatcher, value: unknown): boolean {
  switch (matcher.match_pattern) {
    case 'null_match':
      return value === null;
    case 'double_match':
      return typeof value === 'number' && matchesNumber(matcher.double_match!, value);
    case 'string_match':
      return typeof value === 'string' && matchesString(matcher.string_match!, value);
    case 'bool_match':
      return value === matcher.bool_match;
    case 'present_match':
      return (value !== undefined && value !== null) === matcher.present_match;
    case 'list_match': {
      const each = matcher.list_match?.one_of;
      return Array.isArray(value) && !!each && value.some((item) => matchesValue(each, item));
    }
    case 'or_match':
      return (matcher.or_match?.value_matchers ?? []).some((each) => matchesValue(each, value));
    default:
      throw new MatcherError('a value matcher without a pattern');
  }
}

function matchesNumber(matcher: NonNullable<ValueMatcher['double_match']>, value: number): boolean {
  if (matcher.match_pattern === 'exact') return value === matcher.exact;
  const { range } = matcher;
  return range !== undefined && value >= range.start && value < range.end;
}

function matchesString(matcher: StringMatcher, value: string): boolean {
  const fold = (text = '') => (matcher.ignore_case ? text.toLowerCase() : text);
  const text = fold(value);
  switch (matcher.match_pattern) {
    case 'exact':
      return text === fold(matcher.exact);
    case 'prefix':
      return text.startsWith(fold(matcher.prefix));
    case 'suffix':
      return text.endsWith(fold(matcher.suffix));
    case 'contains':
      return text.includes(fold(matcher.contains));
    default:
      throw new MatcherError('strings are matched by exact, prefix, suffix or contains only');
  }
}
