// Durations and percentages of the mesh (ms, numbers) in Envoy's form. No defaults here.
import type { RuntimeFractionalPercent } from '../envoy/gen/types/envoy/config/core/v3/RuntimeFractionalPercent.js';
import type { FractionalPercent } from '../envoy/gen/types/envoy/type/v3/FractionalPercent.js';

/** google.protobuf.Duration as the codec takes it; both fields have the same sign. */
export interface EnvoyDuration {
  seconds: number;
  nanos: number;
}

/** A duration from milliseconds, which may have a fraction (nanoseconds are the finest). */
export function toDuration(ms: number): EnvoyDuration {
  const seconds = Math.trunc(ms / 1000);
  const nanos = Math.round((ms - seconds * 1000) * 1e6);
  // `+ 0` turns -0 into 0.
  return Math.abs(nanos) === 1e9
    ? { seconds: seconds + Math.sign(nanos), nanos: 0 }
    : { seconds: seconds + 0, nanos: nanos + 0 };
}

/** No time at all; where Envoy documents it so, 0 switches a time-out off. */
export const ZERO: EnvoyDuration = { seconds: 0, nanos: 0 };

/** A percentage (0 to 100, with fractions) in millionths, as Istio sends percentages given as `{value}`. */
export function percentOfMillion(percent: number): FractionalPercent {
  return { numerator: Math.round(percent * 10_000), denominator: 'MILLION' };
}

/** So many of a million. */
export function ofMillion(numerator: number): FractionalPercent {
  return { numerator, denominator: 'MILLION' };
}

/** A whole percentage. */
export function wholePercent(percent: number): FractionalPercent {
  return { numerator: percent, denominator: 'HUNDRED' };
}

/** A percentage that no runtime key overrides. */
export function fixedFraction(percentage: FractionalPercent): RuntimeFractionalPercent {
  return { default_value: percentage };
}
