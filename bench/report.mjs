import { judge } from "./goals.mjs";
import { MEASURES, median, medianRatio } from "./statistics.mjs";

/** The comparisons of a scenario as Markdown: a table each, and what was wanted and found. */
export function report(comparisons) {
  return comparisons
    .map((comparison) =>
      [`### ${comparison.title}\n`, table(comparison), verdicts(comparison)].filter(Boolean).join("\n"),
    )
    .join("\n");
}

/** A row for each contender: medians of what was measured, then medians of the ratios to the base in each round. */
function table({ base, results }) {
  const shown = MEASURES.filter(({ key }) => results.some(({ samples }) => samples[0][key] !== undefined));
  const baseSamples = results.find(({ name }) => name === base)?.samples ?? null;
  const ratios = baseSamples === null ? [] : shown.map(({ label }) => `${label.split(",")[0]} / ${base}`);
  const rows = [["", ...shown.map(({ label }) => label), ...ratios]];
  for (const { name, samples } of results) {
    const cells = shown.map(({ key, show }) =>
      samples[0][key] === undefined ? "" : show(median(samples.map((s) => s[key]))),
    );
    rows.push([name, ...cells, ...ratios.map((_, i) => ratioCell(name === base, samples, baseSamples, shown[i].key))]);
  }
  return layOut(rows);
}

function ratioCell(isBase, samples, base, key) {
  const ratio = isBase ? null : medianRatio(samples, base, key);
  return ratio === null ? "" : ratio.toFixed(2);
}

/** Columns of one width, as the formatter of the project has them. */
function layOut(rows) {
  const widths = rows[0].map((_, column) => Math.max(3, ...rows.map((row) => row[column].length)));
  const line = (cells) =>
    `| ${cells.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]) : cell.padStart(widths[i]))).join(" | ")} |\n`;
  const [head, ...body] = rows;
  const rule = widths.map((width, i) => (i === 0 ? "-".repeat(width) : `${"-".repeat(width - 1)}:`));
  return [head, rule, ...body].map(line).join("");
}

function verdicts({ goals = [], results }) {
  return goals
    .map((goal) => judge(goal, results))
    .filter((verdict) => verdict !== null)
    .map(({ text, found, met }) => `- ${met ? "Reached" : "Missed"}: ${text}; found ${found}.\n`)
    .join("");
}
