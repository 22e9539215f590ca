// Durations as Go writes them, which is how Istio's users do, too.

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
