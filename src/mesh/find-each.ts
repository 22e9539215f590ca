// Findings about each item of a list. They are made again for items that are new, and where an answer that they were
// made of is another one by now: an edit costs what it touches.
import type { Problem } from '../kinds/problem.js';
import { memoize, sameOr } from '../lib/memo.js';
import { replacements } from '../lib/replaced.js';
import type { MeshSettings } from './mesh-settings.js';

/** Questions about a mesh. Answers are the same when they are one object, or arrays of the same elements. */
type Questions<Q> = { readonly [Name in keyof Q]: (...args: never[]) => unknown };

/** How something is found about each item of a list. */
export interface EachAnalyzer<Item extends object, Parts, Q> {
  items(parts: Parts): readonly Item[];
  questions(parts: Parts): Q;
  /** What is wrong with an item. Of everything else, it may know only what it asks. */
  find(item: Item, ask: Q): readonly Problem[];
  /** Items that may be answered differently; all others are not looked at again. */
  touched(before: Parts, after: Parts): (item: Item) => boolean;
}

interface Asked {
  name: string;
  args: readonly unknown[];
  answer: unknown;
}

/** What was found about one item, and by what. */
interface Found {
  findings: readonly Problem[];
  asked: readonly Asked[];
}

interface Last<Item, Parts> {
  parts: Parts;
  items: readonly Item[];
  /** In the order of the items. */
  each: readonly Found[];
  findings: readonly Problem[];
}

/** Finds something about each item, in the order of the items, on top of what was found in the mesh before. */
export function findEach<
  Item extends object,
  Parts extends { settings: MeshSettings },
  Q extends Questions<Q>,
>(analyzer: EachAnalyzer<Item, Parts, Q>): (parts: Parts) => readonly Problem[] {
  const lastOf = memoize((_settings: MeshSettings): { last?: Last<Item, Parts> } => ({}));
  return (parts) => {
    const known = lastOf(parts.settings);
    const next = findAgain(analyzer, parts, known.last);
    known.last = next;
    return next.findings;
  };
}

const none: readonly never[] = [];

function findAgain<Item extends object, Parts, Q extends Questions<Q>>(
  analyzer: EachAnalyzer<Item, Parts, Q>,
  parts: Parts,
  last: Last<Item, Parts> | undefined,
): Last<Item, Parts> {
  const items = analyzer.items(parts);
  const questions = analyzer.questions(parts);
  const isTouched = last ? analyzer.touched(last.parts, parts) : () => true;
  const foundBefore = last ? finder(last, items) : () => undefined;
  const recorder = recording(questions);
  const holds = isStill(questions);
  const found = items.map((item, i) => {
    const before = foundBefore(item, i);
    if (before && (!isTouched(item) || before.asked.every(holds))) return before;
    const findings = analyzer.find(item, recorder.ask);
    return { findings: findings.length === 0 ? none : findings, asked: recorder.take() };
  });
  const each = sameOr(last?.each, found);
  const findings =
    last?.each === each
      ? last.findings
      : sameOr(
          last?.findings,
          each.flatMap((one) => one.findings),
        );
  return { parts, items, each, findings };
}

/** What was found about an item in a list much like the one of before. */
function finder<Item extends object>(
  { items: before, each }: Pick<Last<Item, unknown>, 'items' | 'each'>,
  items: readonly Item[],
): (item: Item, i: number) => Found | undefined {
  if (replacements(before, items) !== undefined) {
    return (item, i) => (before[i] === item ? each[i] : undefined);
  }
  const byItem = new Map(before.map((item, i) => [item, each[i]]));
  return (item) => byItem.get(item);
}

type Answer = (...args: readonly unknown[]) => unknown;

/** The questions, with the answers written down until they are taken. */
function recording<Q extends Questions<Q>>(questions: Q): { ask: Q; take(): readonly Asked[] } {
  const asked: Asked[] = [];
  const ask = Object.entries(questions as unknown as Record<string, Answer>).map(
    ([name, question]) => [
      name,
      (...args: readonly unknown[]) => {
        const answer = question(...args);
        asked.push({ name, args, answer });
        return answer;
      },
    ],
  );
  const take = () => (asked.length === 0 ? none : asked.splice(0));
  return { ask: Object.fromEntries(ask) as Q, take };
}

function isStill<Q extends Questions<Q>>(questions: Q): (asked: Asked) => boolean {
  return ({ name, args, answer }) => {
    const now = (questions as unknown as Record<string, Answer>)[name]?.(...args);
    if (now === answer) return true;
    return Array.isArray(now) && Array.isArray(answer) && sameOr(answer, now) === answer;
  };
}
