// A tiny stand-in for kinds/registry.ts, so that these tests do not move with the schemas: one kind, Thing, with
// `spec.size` (a number, required) and `spec.items` (free).
import type { FieldPath, Problem } from '../../src/kinds/problem.js';
import type { ProblemCode } from '../../src/kinds/problem-codes.js';
import type { ParsedDocument, ParseOptions } from '../../src/kinds/registry.js';

type Doc = Record<string, unknown> & { metadata?: Record<string, string>; spec?: Doc };

function isDoc(value: unknown): value is Doc {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export function parseThing(value: unknown, options: ParseOptions = {}): ParsedDocument {
  const problems: Problem[] = [];
  const say = (code: ProblemCode, path: FieldPath, message: string = code) => {
    problems.push({ code, severity: 'error', message, path });
  };
  if (!isDoc(value) || typeof value.kind !== 'string' || typeof value.metadata?.name !== 'string') {
    say('not-a-resource', []);
    return { problems };
  }
  const { kind, metadata } = value;
  const spec = value.spec ?? {};
  const namespace = metadata.namespace ?? options.namespace ?? 'default';
  const id = { kind, namespace, name: metadata.name! };
  if (kind !== 'Thing' && kind !== 'MeshConfig') {
    const severity = value.apiVersion === 'things/v1' ? 'warning' : 'info';
    problems.push({ code: 'unknown-kind', severity, message: kind, path: ['kind'] });
    return { problems };
  }
  for (const key of Object.keys(spec)) {
    if (!['size', 'items', 'text'].includes(key)) say('unknown-field', ['spec', key]);
  }
  if (!Object.hasOwn(spec, 'size')) say('missing-field', ['spec', 'size']);
  else if (typeof spec.size !== 'number') say('wrong-type', ['spec', 'size']);
  if (typeof spec.text === 'string') {
    try {
      options.parseYaml?.(spec.text);
    } catch (error) {
      say('yaml-syntax', ['spec', 'text', 'inner'], (error as Error).message);
    }
  }
  if (problems.length > 0) return { id, problems };
  const resource = { ...id, apiVersion: 'things/v1', labels: {}, annotations: {}, spec };
  return { resource, id, problems };
}

/** The text of a Thing. */
export function thing(name: string, size: number | string = 1): string {
  return `apiVersion: things/v1\nkind: Thing\nmetadata:\n  name: ${name}\nspec:\n  size: ${size}\n`;
}
