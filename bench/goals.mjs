import { median, medianDifference, medianRatio } from "./statistics.mjs";

/**
 * What a scenario wants of a contender, and whether it is so. A limit is `times` another's measure, `more` than it, or
 * `atMost` by itself.
 *
 * @returns `{ text, found, met }`, or null where one of the two was not measured
 */
export function judge(goal, results) {
  const { of, key, to } = goal;
  const samplesOf = (name) => results.find((result) => result.name === name)?.samples;
  const samples = samplesOf(of);
  const base = to === undefined ? undefined : samplesOf(to);
  if (samples === undefined || (to !== undefined && base === undefined)) return null;
  const what = `${WORDS[key]} of ${of}`;
  if (goal.times !== undefined) {
    const found = medianRatio(samples, base, key);
    return verdict(`${what} at most ${goal.times.toFixed(2)} of that of ${to}`, found, goal.times, (n) => n.toFixed(2));
  }
  if (goal.more !== undefined) {
    const found = medianDifference(samples, base, key);
    return verdict(`${what} at most ${UNITS[key](goal.more)} more than that of ${to}`, found, goal.more, UNITS[key]);
  }
  const found = median(samples.map((sample) => sample[key]));
  return verdict(`${what} at most ${UNITS[key](goal.atMost)}`, found, goal.atMost, UNITS[key]);
}

const WORDS = { wall: "time", cpu: "CPU", memory: "peak memory" };
const seconds = (value) => `${(value * 1000).toFixed(0)} ms`;
const UNITS = { wall: seconds, cpu: seconds, memory: (value) => `${(value / 1e6).toFixed(0)} MB` };

function verdict(text, value, limit, show) {
  return { text, found: show(value), met: value <= limit };
}
