/** What is measured of a run, in the order it is shown. */
export const MEASURES = [
  { key: "wall", label: "wall, s", show: (value) => value.toFixed(3) },
  { key: "cpu", label: "CPU, s", show: (value) => value.toFixed(3) },
  { key: "memory", label: "peak memory, MB", show: (value) => (value / 1e6).toFixed(0) },
];

/** The median of numbers in any order. */
export function median(values) {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/**
 * The median of the ratios of runs of the same round: what slows the machine for a while slows both.
 *
 * @returns null where one of them has not that measure
 */
export function medianRatio(samples, base, key) {
  return medianOfPairs(samples, base, key, (value, other) => value / other);
}

/** As {@link medianRatio}, of differences. */
export function medianDifference(samples, base, key) {
  return medianOfPairs(samples, base, key, (value, other) => value - other);
}

function medianOfPairs(samples, base, key, combine) {
  if ([...samples, ...base].some((sample) => sample[key] === undefined)) return null;
  return median(samples.map((sample, round) => combine(sample[key], base[round][key])));
}
