import { NAME } from "./contenders.mjs";
import { medianRatio } from "./statistics.mjs";

const WIDTH = 860;
const MARGIN = 8;
const ROW_HEIGHT = 52;
const BAR_HEIGHT = 11;
const TOP = 60;
const BARS = [
  { key: "wall", label: "time", colour: "#2b6cb0" },
  { key: "cpu", label: "CPU", colour: "#a0aec0" },
];

/**
 * An SVG of bars: time and CPU of this project as parts of the reference's, where the two were compared. The scale is
 * logarithmic, bars begin at the reference: those to the left are less than it.
 */
export function plot(comparisons) {
  const rows = comparisons.flatMap(({ title, results }) => {
    const [ours, reference] = [NAME.ours, NAME.reference].map((name) => results.find((result) => result.name === name));
    if (ours === undefined || reference === undefined) return [];
    return [{ title, ratios: BARS.map(({ key }) => medianRatio(ours.samples, reference.samples, key)) }];
  });
  const powers = rows.flatMap(({ ratios }) => ratios.map(Math.log2));
  const least = Math.floor(Math.min(-1, ...powers));
  const most = Math.ceil(Math.max(1, ...powers));
  const x = (power) => MARGIN + ((power - least) / (most - least)) * (WIDTH - 2 * MARGIN - 40);
  const height = TOP + rows.length * ROW_HEIGHT + MARGIN;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${height}" viewBox="0 0 ${WIDTH} ${height}" font-family="sans-serif" font-size="13">`,
    "<title>time and CPU as parts of the reference's</title>",
    `<rect width="${WIDTH}" height="${height}" fill="#ffffff"/>`,
    ...BARS.map(({ label, colour }, i) => square(MARGIN + i * 70, colour) + text(24 + i * 70, 22, label)),
    ...Array.from({ length: most - least + 1 }, (_, i) => tick(x(least + i), least + i, height)),
    ...rows.flatMap(({ title, ratios }, row) => [
      text(MARGIN, TOP + row * ROW_HEIGHT + 14, title),
      ...ratios.map((ratio, i) =>
        bar(x(0), x(Math.log2(ratio)), TOP + row * ROW_HEIGHT + 20 + i * (BAR_HEIGHT + 2), ratio, BARS[i].colour),
      ),
    ]),
    "</svg>\n",
  ].join("\n");
}

/** A line down the plot where something takes two to the `power` of what the reference takes. */
function tick(x, power, height) {
  const label = power === 0 ? "the reference" : power < 0 ? `1/${2 ** -power}` : `${2 ** power}`;
  const stroke = power === 0 ? "#c53030" : "#e2e8f0";
  const anchor = power === 0 ? "middle" : "start";
  return `${text(power === 0 ? x : x - 4, 44, label, anchor)}<line x1="${number(x)}" y1="50" x2="${number(x)}" y2="${height - MARGIN}" stroke="${stroke}"/>`;
}

function bar(from, to, y, ratio, colour) {
  const [left, right] = [Math.min(from, to), Math.max(from, to)];
  const shape = `<rect x="${number(left)}" y="${y}" width="${number(right - left)}" height="${BAR_HEIGHT}" fill="${colour}"/>`;
  return `${shape}<text x="${number(right + 4)}" y="${y + BAR_HEIGHT - 1}" font-size="11">${ratio.toFixed(2)}</text>`;
}

function square(x, colour) {
  return `<rect x="${x}" y="12" width="11" height="11" fill="${colour}"/>`;
}

function text(x, y, content, anchor = "start") {
  const escaped = content.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
  return `<text x="${number(x)}" y="${y}" text-anchor="${anchor}">${escaped}</text>`;
}

function number(value) {
  return value.toFixed(1);
}
