/** Rows for {@link printTable} over the results of `measure`. */
export const MEASURES = [
  ["wall, s", (m) => m.wall],
  ["CPU (user+system), s", (m) => m.cpu],
  ["peak memory, MiB", (m) => m.memory / 2 ** 20],
];

/**
 * Prints a row for each measure and a column for each contender, with the ratio when there are two.
 *
 * @param names of the contenders
 * @param measures pairs of a label and a function from a measurement to a number
 * @param results of each contender, a measurement a round
 */
export function printTable(names, measures, results) {
  const rows = [["", ...names, ...(names.length === 2 ? [names.join(" / ")] : [])]];
  for (const [label, value] of measures) {
    const columns = results.map((measurements) => measurements.map(value).sort((a, b) => a - b));
    const ratio = names.length === 2 ? [(median(columns[0]) / median(columns[1])).toFixed(2)] : [];
    rows.push([label, ...columns.map(spread), ...ratio]);
  }
  const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => row[column].length)));
  for (const row of rows)
    print(
      row
        .map((cell, column) => cell.padEnd(widths[column]))
        .join("   ")
        .trimEnd(),
    );
}

/** Prints a line. */
export function print(line) {
  process.stdout.write(`${line}\n`);
}

/** The median of sorted numbers. */
export function median(sorted) {
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** The median, and the extremes when there are several. */
function spread(sorted) {
  const shown = median(sorted).toFixed(2);
  return sorted.length < 2 ? shown : `${shown} (${sorted[0].toFixed(2)} to ${sorted.at(-1).toFixed(2)})`;
}
