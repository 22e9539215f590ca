// Null as Kubernetes and protobuf JSON have it: a field set to null is a field not given.

/** Deeper than any resource; what lies below is left as it is and refused by the schema or kept as it stands. */
const depthMax = 100;

/** The value without fields that are null; the very same object when there are none. Lists keep their nulls. */
export function withoutNulls(value: unknown, depth = 0): unknown {
  if (value === null || typeof value !== 'object' || depth > depthMax) return value;
  if (Array.isArray(value)) {
    let copy: unknown[] | undefined;
    for (const [index, item] of value.entries()) {
      const kept = withoutNulls(item, depth + 1);
      if (kept === item) continue;
      copy ??= [...value];
      copy[index] = kept;
    }
    return copy ?? value;
  }
  const changes: [string, unknown][] = [];
  for (const [key, item] of Object.entries(value)) {
    const kept = item === null ? undefined : withoutNulls(item, depth + 1);
    if (kept !== item) changes.push([key, kept]);
  }
  if (changes.length === 0) return value;
  const copy: Record<string, unknown> = { ...value };
  for (const [key, kept] of changes) {
    if (kept === undefined) delete copy[key];
    else copy[key] = kept;
  }
  return copy;
}
