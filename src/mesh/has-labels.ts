// Whether labels have all pairs that are asked for: selectors of workloads, sourceLabels of matches.

/** True when `labels` has every pair of `wanted`; nothing wanted is always had. */
export function hasLabels(
  labels: Readonly<Record<string, string>>,
  wanted: Readonly<Record<string, string>> = {},
): boolean {
  return Object.entries(wanted).every(([key, value]) => labels[key] === value);
}
