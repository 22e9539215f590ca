// Whether an expression is one that RE2 takes. Envoy and Istio use RE2; JavaScript's engine reads a larger and in
// places different language, so what it accepts is not enough.

/** Istio's limit on the length of an expression, in bytes. */
const lengthMax = 1024;

const posixClass =
  /^\[:\^?(?:alnum|alpha|ascii|blank|cntrl|digit|graph|lower|print|punct|space|upper|word|xdigit):\]/;

/** Groups and escapes that RE2 lacks, by what they are called. */
function unsupported(regex: string): string | undefined {
  let inClass = false;
  for (let i = 0; i < regex.length; i++) {
    const char = regex[i]!;
    if (char === '\\') {
      const next = regex[i + 1];
      if (next === undefined) return 'it ends in a backslash';
      if (next === 'Q') {
        const end = regex.indexOf('\\E', i + 2);
        if (end === -1) return undefined;
        i = end + 1;
        continue;
      }
      const problem = escapeProblem(next, regex[i + 2], inClass);
      if (problem) return problem;
      i++;
    } else if (inClass) {
      if (char === ']') inClass = false;
    } else if (char === '[') {
      inClass = true;
      // A bracket that stands first in a class is a member of it.
      if (regex[i + 1] === '^') i++;
      if (regex[i + 1] === ']') i++;
    } else if (char === '(' && regex[i + 1] === '?') {
      const group = groupProblem(regex.slice(i + 2, i + 40));
      if (group) return group;
    }
  }
  return undefined;
}

/** Letters that RE2 knows after a backslash; every punctuation mark stands for itself. */
const escapes = new Set('afnrtvxdDsSwWpP0');
const escapesOutsideClasses = new Set('bBAzCE');

function escapeProblem(
  char: string,
  following: string | undefined,
  inClass: boolean,
): string | undefined {
  if (!/[A-Za-z0-9]/.test(char) || escapes.has(char)) return undefined;
  if (!inClass && escapesOutsideClasses.has(char)) return undefined;
  // A digit alone refers back to a group; several octal digits are a character.
  if (/[1-7]/.test(char) && /[0-7]/.test(following ?? '')) return undefined;
  if (/[1-9k]/.test(char) && !inClass) return 'RE2 has no backreferences';
  return `RE2 has no escape \\${char}`;
}

function groupProblem(rest: string): string | undefined {
  if (/^(?:[=!]|<[=!])/.test(rest)) return 'RE2 has no lookaround';
  if (rest.startsWith('>')) return 'RE2 has no atomic groups';
  if (rest.startsWith('#')) return 'RE2 has no comments';
  if (rest.startsWith('(')) return 'RE2 has no conditions';
  if (/^(?:P?<[A-Za-z_]\w*>|[imsU]*(?:-[imsU]+)?[:)])/.test(rest)) return undefined;
  return `RE2 has no group (?${rest.slice(0, 2)}`;
}

/**
 * The expression in JavaScript's language, near enough to have its own engine find the remaining mistakes of form
 * (brackets, repetition). Only whether it compiles is used, never what it matches.
 */
function asJavaScript(regex: string): string {
  return regex
    .replaceAll(/\\Q([\s\S]*?)(?:\\E|$)/g, (_, text: string) =>
      text.replaceAll(/[\\^$.*+?()[\]{}|/-]/g, '\\$&'),
    )
    .replaceAll(/\[:\^?[a-z]+:\]/g, (found) => (posixClass.test(found) ? 'a-z' : found))
    .replaceAll('(?P<', '(?<')
    .replaceAll(/\(\?[imsU]*(?:-[imsU]+)?\)/g, '(?:)')
    .replaceAll(/\(\?[imsU]*(?:-[imsU]+)?:/g, '(?:')
    .replaceAll(/\\[pP](?:\{\^?\w+\}|\w)/g, 'a')
    .replaceAll(/\\x\{[0-9A-Fa-f]+\}/g, 'a')
    .replaceAll(/\\[AzC]/g, '')
    .replaceAll(/\[(\^?)\]/g, '[$1\\]');
}

/** How often the innermost part of an expression is repeated by counts such as `{2,5}`, group within group. */
function timesWithin(regex: string): number {
  const tokens =
    /\\Q[\s\S]*?(?:\\E|$)|\\[\s\S]|\[\^?\]?(?:\\[\s\S]|[^\]\\])*\]|\{(\d+)(?:,(\d*))?\}|[\s\S]/g;
  // The most of what stands in each open group, and of the part right before the place that is looked at.
  const most = [1];
  let last = 1;
  for (const [token, low, high] of regex.matchAll(tokens)) {
    if (token === '(') {
      most.push(1);
      last = 1;
    } else if (token === ')') {
      last = most.length > 1 ? most.pop()! : 1;
    } else if (low !== undefined) {
      last *= Math.max(1, Number(low), Number(high ?? 0));
    } else if (!'*+?'.includes(token)) last = 1;
    most[most.length - 1] = Math.max(most.at(-1)!, last);
  }
  return Math.max(...most);
}

/** Why RE2 would not take the expression; undefined when it would, as far as can be told without RE2. */
export function regexProblem(regex: string): string | undefined {
  if (regex === '') return 'a regular expression must not be empty';
  if (Buffer.byteLength(regex) > lengthMax) {
    return `a regular expression has at most ${lengthMax} bytes`;
  }
  const missing = unsupported(regex);
  if (missing) return `not an RE2 expression: ${missing}`;
  const repetition = [...regex.matchAll(/\{(\d+)(?:,(\d*))?\}/g)];
  if (repetition.some(([, low, high]) => Number(low) > 1000 || Number(high) > 1000)) {
    return 'not an RE2 expression: a repetition has at most 1000 times';
  }
  if (timesWithin(regex) > 1000) {
    return 'not an RE2 expression: repetitions within repetitions have at most 1000 times together';
  }
  try {
    new RegExp(asJavaScript(regex));
    return undefined;
  } catch (error) {
    const why = error instanceof Error ? error.message.replace(/^.*\/: /s, '') : 'unreadable';
    return `not an RE2 expression: ${why}`;
  }
}
