// The forms of values that Istio's and Kubernetes' JSON use: durations, integers, ports, labels. Schemas here
// check form and range only; what a value means within its resource is checked in the kind's own file.
import { z } from 'zod';
import { parseDurationMs } from '../lib/duration.js';
import { list, map, message, named } from './schema.js';

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
/** A port that need not be given; 0 is as good as none, as protobuf has it. */
export const portOrZero = named(
  'port',
  z
    .int()
    .min(0)
    .max(65535)
    .transform((number) => number || undefined),
);
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
  matchLabels: labels.describe('labels that must be there'),
  matchExpressions: list(
    message({
      key: string.describe('label'),
      operator: string.describe('In, NotIn, Exists or DoesNotExist'),
      values: strings.describe('values for In and NotIn'),
    }),
  ).describe('further conditions; all must hold'),
});
