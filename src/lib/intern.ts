// One object for equal values, so that what is computed from a value can be remembered by its identity (memo.ts).
// Values are held weakly: what nobody uses any more is forgotten.

/** Gives the object that was given first for this key and is still alive, else `value` itself. */
export type Intern<T extends object> = (key: string, value: T) => T;

/** A table of equal values. The key must hold everything that tells two values apart. */
export function interner<T extends object>(): Intern<T> {
  const known = new Map<string, WeakRef<T>>();
  const forget = new FinalizationRegistry<string>((key) => {
    if (known.get(key)?.deref() === undefined) known.delete(key);
  });
  return (key, value) => {
    const found = known.get(key)?.deref();
    if (found !== undefined) return found;
    known.set(key, new WeakRef(value));
    forget.register(value, key);
    return value;
  };
}
