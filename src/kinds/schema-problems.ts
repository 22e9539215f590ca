// Checks a value against a schema and says in a user's words what is wrong: zod's issues as findings, with the
// nearest known name where one was mistyped.
import type { z } from 'zod';
import type { Finding } from './finding.js';
import type { FieldPath } from './problem.js';
import { type ProblemCode, problemCodes } from './problem-codes.js';
import { didYouMean } from './suggest.js';
import { partsOf, schemaAt, valueAt } from './walk.js';

type Issue = z.core.$ZodIssue;

const maxShown = 60;

/** A value in a message: short, and with its type visible. */
function show(value: unknown): string {
  if (value === undefined) return 'nothing';
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'object') return 'a mapping';
  if (typeof value === 'string') return `the string ${JSON.stringify(clip(value))}`;
  return `the ${typeof value} ${clip(String(value))}`;
}

function clip(text: string): string {
  return text.length > maxShown ? `${text.slice(0, maxShown)}...` : text;
}

const expectedWords: Readonly<Record<string, string>> = {
  array: 'a list',
  boolean: 'true or false',
  int: 'a whole number',
  number: 'a number',
  object: 'a mapping',
  record: 'a mapping',
  string: 'a string',
};

function expectation(expected: string, value: unknown): string {
  const wanted = expectedWords[expected] ?? expected;
  const quotes =
    expected === 'string' && (typeof value === 'number' || typeof value === 'boolean')
      ? '; write it in quotes'
      : '';
  return `expected ${wanted}, got ${show(value)}${quotes}`;
}

/** A field at `path` that its message, of the schema `owner`, does not have. */
export function unknownField(owner: z.ZodType | undefined, path: FieldPath, key: string): Finding {
  const parts = owner && partsOf(owner);
  const known = parts?.type === 'object' ? Object.keys(parts.fields) : [];
  const message = `unknown field ${JSON.stringify(clip(key))}${didYouMean(key, known)}`;
  return { code: 'unknown-field', severity: 'error', message, path: [...path, key] };
}

function limitText(issue: Issue, value: unknown): string {
  if (issue.code === 'too_small') {
    return `must be ${issue.inclusive ? 'at least' : 'more than'} ${issue.minimum}, got ${show(value)}`;
  }
  if (issue.code === 'too_big') {
    return `must be ${issue.inclusive ? 'at most' : 'less than'} ${issue.maximum}, got ${show(value)}`;
  }
  return issue.message;
}

function enumFinding(values: readonly unknown[], value: unknown, path: FieldPath): Finding {
  const names = values.map(String);
  if (typeof value !== 'string') {
    const message = `expected one of ${names.join(', ')}, got ${show(value)}`;
    return { code: 'wrong-type', severity: 'error', message, path };
  }
  const hint = didYouMean(value, names);
  const message = `${show(value)} is not one of ${names.join(', ')}${hint}`;
  return { code: 'invalid-value', severity: 'error', message, path };
}

/** One issue as findings. Missing values come as `invalid_type`: they are told apart by looking at the value. */
function findingsOf(schema: z.ZodType, root: unknown, issue: Issue): Finding[] {
  const path = issue.path as FieldPath;
  if (issue.code === 'unrecognized_keys') {
    const owner = schemaAt(schema, path);
    return issue.keys.map((key) => unknownField(owner, path, key));
  }
  const value = valueAt(root, path);
  const finding = (code: ProblemCode, message: string): Finding[] => [
    { code, severity: 'error', message, path },
  ];
  if (value === undefined && path.length > 0) {
    return finding('missing-field', `${String(path.at(-1))} must be given`);
  }
  if (issue.code === 'invalid_type') {
    return finding('wrong-type', expectation(issue.expected, value));
  }
  if (issue.code === 'invalid_value') return [enumFinding(issue.values, value, path)];
  if (issue.code === 'invalid_union') {
    return finding('wrong-type', `expected a whole number or a string, got ${show(value)}`);
  }
  if (issue.code === 'custom') {
    const code: unknown = issue.params?.['problem'];
    const known = typeof code === 'string' && Object.hasOwn(problemCodes, code);
    return finding(known ? (code as ProblemCode) : 'invalid-value', issue.message);
  }
  return finding('invalid-value', limitText(issue, value));
}

/** What a value is by its schema, or the findings of severity `error` that say why it is none. */
export function checkSchema<S extends z.ZodType>(
  schema: S,
  value: unknown,
): { value: z.output<S>; findings?: undefined } | { value?: undefined; findings: Finding[] } {
  const result = schema.safeParse(value);
  if (result.success) return { value: result.data };
  return { findings: result.error.issues.flatMap((issue) => findingsOf(schema, value, issue)) };
}
