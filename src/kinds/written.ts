// A spec as users write it, from the one that was read: durations are texts again. For showing resources to people.
import type { z } from 'zod';
import { type KindEntry, kindTable } from './kind-table.js';
import type { Resource } from './resource.js';
import { typeName } from './schema.js';
import { partsOf, required } from './walk.js';

/** The entry of a kind as resource ids have it. */
export function entryOf(idKind: string): KindEntry | undefined {
  return kindTable.find((entry) => (entry.idKind ?? entry.kind) === idKind);
}

/** The spec with every duration in Go's form. The values of Secrets are left out, whoever asks. */
export function asWritten(idKind: string, spec: unknown): unknown {
  const entry = entryOf(idKind);
  if (idKind === 'Secret' && entry?.group === '') return withoutValues(spec);
  return entry?.schema === undefined ? spec : written(entry.schema, spec);
}

function written(schema: z.ZodType, value: unknown): unknown {
  const inner = required(schema);
  if (typeName(inner) === 'duration') return typeof value === 'number' ? duration(value) : value;
  const parts = partsOf(inner);
  if (parts.type === 'list' && Array.isArray(value)) {
    return value.map((item) => written(parts.items, item));
  }
  if (value === null || typeof value !== 'object') return value;
  const each = (of: (key: string) => z.ZodType | undefined) =>
    Object.fromEntries(
      Object.entries(value).map(([key, item]) => {
        const field = of(key);
        return [key, field === undefined ? item : written(field, item)];
      }),
    );
  if (parts.type === 'object') return each((key) => parts.fields[key]);
  return parts.type === 'map' ? each(() => parts.items) : value;
}

function duration(ms: number): string {
  return ms % 1000 === 0 ? `${ms / 1000}s` : `${ms}ms`;
}

const HIDDEN = '(not shown)';

function withoutValues(spec: unknown): unknown {
  const hide = (values: unknown) =>
    values !== null && typeof values === 'object'
      ? Object.fromEntries(Object.keys(values).map((key) => [key, HIDDEN]))
      : values;
  return Object.fromEntries(
    Object.entries((spec ?? {}) as Record<string, unknown>).map(([key, value]) => [
      key,
      key === 'data' || key === 'stringData' ? hide(value) : value,
    ]),
  );
}

/** kubectl notes there what it applied, and of a Secret that is its values. */
export function shownAnnotations({ kind, annotations }: Resource): Resource['annotations'] {
  if (kind !== 'Secret') return annotations;
  const { 'kubectl.kubernetes.io/last-applied-configuration': _values, ...others } = annotations;
  return others;
}
