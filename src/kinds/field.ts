// Marks on schema fields that fairlead accepts but does not act on. A mark is data on the zod schema, so that
// `analyze`, the pages in docs/kinds/ and the tests read the same truth.
import { z } from 'zod';

/** What fairlead does with a field. Unmarked fields are `implemented`. */
export type FieldStatus =
  | { status: 'not-implemented'; reason?: string }
  | { status: 'no-effect'; reason: string };

const marks = z.registry<FieldStatus>();

/** The mark of what is accepted and not acted on yet; `reason` is a sentence for users: why, or what comes first. */
export function notImplementedStatus(reason?: string): FieldStatus {
  return reason === undefined
    ? { status: 'not-implemented' }
    : { status: 'not-implemented', reason };
}

/**
 * The API has it; we do not act on it yet. `analyze` says so wherever a user sets it, with the reason: a sentence
 * such as `Certificates from Secrets come with gateways.`
 */
export function notImplemented<S extends z.ZodType>(schema: S, reason?: string): S {
  const copy = schema.clone() as S;
  marks.add(copy, notImplementedStatus(reason));
  return copy;
}

/** Istio accepts and ignores it, and so do we, for the reason given. */
export function noEffect<S extends z.ZodType>(schema: S, reason: string): S {
  const copy = schema.clone() as S;
  marks.add(copy, { status: 'no-effect', reason });
  return copy;
}

/** The mark of a field's schema, if any. */
export function fieldStatus(schema: z.ZodType): FieldStatus | undefined {
  return marks.get(schema);
}
