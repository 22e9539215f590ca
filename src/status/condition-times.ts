// When conditions of status became what they are: lastTransitionTime stays while a condition keeps its status. Status
// itself is computed elsewhere, without times.

interface Since {
  status: unknown;
  time: string;
}

/** Remembers the times of conditions, by resource. */
export class ConditionTimes {
  readonly #times = new Map<string, Map<string, Since>>();

  /** The status with a time in every condition; `nowMs` for those that are new or have another status. */
  stamp(resource: string, status: object, nowMs: number): object {
    const next = new Map<string, Since>();
    const stamped = this.#walk(status, '', {
      before: this.#times.get(resource),
      next,
      now: new Date(Math.trunc(nowMs / 1000) * 1000).toISOString().replace('.000', ''),
    });
    this.#times.set(resource, next);
    return stamped as object;
  }

  /** Forgets resources that are gone. */
  keepOnly(resources: ReadonlySet<string>): void {
    for (const key of this.#times.keys()) if (!resources.has(key)) this.#times.delete(key);
  }

  #walk(
    value: unknown,
    path: string,
    times: {
      before: ReadonlyMap<string, Since> | undefined;
      next: Map<string, Since>;
      now: string;
    },
  ): unknown {
    if (Array.isArray(value)) {
      return value.map((item, i) => this.#walk(item, `${path}/${nameOf(item) ?? i}`, times));
    }
    if (value === null || typeof value !== 'object') return value;
    const copy = Object.fromEntries(
      Object.entries(value).map(([key, item]) => [key, this.#walk(item, `${path}/${key}`, times)]),
    );
    if (!('type' in copy && 'reason' in copy && 'status' in copy)) return copy;
    const old = times.before?.get(path);
    const since =
      old?.status === copy['status'] ? old! : { status: copy['status'], time: times.now };
    times.next.set(path, since);
    return { ...copy, lastTransitionTime: since.time };
  }
}

/** Entries are told apart by type or name, so that the order in lists does not matter. */
function nameOf(item: unknown): string | undefined {
  if (item === null || typeof item !== 'object') return undefined;
  const { type, name, parentRef } = item as { type?: string; name?: string; parentRef?: unknown };
  return type ?? name ?? (parentRef === undefined ? undefined : JSON.stringify(parentRef));
}
