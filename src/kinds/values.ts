// The forms of values that Istio's and Kubernetes' JSON use: durations, integers, ports, labels. Schemas here
// check form and range only; what a value means within its resource is checked in the kind's own file.
import { z } from 'zod';
import { list, map, message, named } from './schema.js';

const unitMs: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3,
  μs: 1e-3,
  ms: 1,
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
};

const durationForm = /^[+-]?(?:(?:\d+\.?\d*|\.\d+)(?:ns|us|µs|μs|ms|s|m|h))+$/;

/** Go's durations are 64-bit counts of nanoseconds, about 292 years; Envoy refuses longer ones too. */
const durationMsMax = 9_223_372_036_000;

/**
 * A Go duration (`1.5s`, `100ms`, `1h2m`) in milliseconds, or undefined when the text has another form.
 * Istio reads durations so (time.ParseDuration); `0` needs no unit.
 */
export function parseDurationMs(text: string): number | undefined {
  if (text === '0') return 0;
  if (text.length > 64 || !durationForm.test(text)) return undefined;
  let ms = 0;
  for (const [, amount, unit] of text.matchAll(/(\d+\.?\d*|\.\d+)(ns|us|µs|μs|ms|s|m|h)/g)) {
    ms += Number(amount) * (unitMs[unit ?? ''] ?? 0);
  }
  if (ms > durationMsMax) return undefined;
  // Fractions such as 1.1s are not exact in binary; nanoseconds are the finest that can be meant.
  const rounded = Math.round(ms * 1e6) / 1e6;
  return text.startsWith('-') ? -rounded : rounded;
}

/** A duration. The parsed spec has it as a number of milliseconds, which may have a fraction. */
export const duration = named(
  'duration',
  z.string().transform((text, context) => {
    const ms = parseDurationMs(text);
    if (ms !== undefined) return ms;
    context.addIssue({
      code: 'custom',
      message: `"${text.slice(0, 64)}" is not a duration such as 1.5s, 100ms or 1h2m`,
      params: { problem: 'wrong-type' },
    });
    return z.NEVER;
  }),
);

/** A signed 32-bit integer. */
export const int32 = named('integer', z.int32());
/** An unsigned 32-bit integer. */
export const uint32 = named('integer', z.uint32());
/** An unsigned integer within what JSON numbers hold exactly. */
export const uint64 = named('integer', z.int().min(0));
/** Any finite number. */
export const double = named('number', z.number());
/** A string. */
export const string = named('string', z.string());
/** true or false. */
export const bool = named('boolean', z.boolean());
/** A TCP or UDP port, 1 to 65535. */
export const port = named('port', z.int().min(1).max(65535));
/** Strings. */
export const strings = list(string);
/** Label keys and values. */
export const labels = named('map of strings', map(string));
/** A mapping of strings to strings. */
export const stringMap = named('map of strings', map(string));
/** Any JSON object (google.protobuf.Struct). */
export const struct = named('object', z.record(z.string(), z.unknown()));
/** Kubernetes' IntOrString: a port number or the name of a port. */
export const intOrString = named('integer or string', z.union([z.int32(), z.string()]));
/** `{ value: 12.5 }`, from 0 to 100. */
export const percent = message({ value: named('number 0-100', z.number().min(0).max(100)) });
/** `{ number: 80 }`. */
export const portSelector = message({ number: port });
/** Kubernetes' label selector. */
export const labelSelector = message({
  matchLabels: labels,
  matchExpressions: list(message({ key: string, operator: string, values: strings })),
});
