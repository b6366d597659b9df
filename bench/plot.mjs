import { NAME } from "./contenders.mjs";
import { medianRatio } from "./statistics.mjs";

const WIDTH = 860;
const LABEL_WIDTH = 400;
const ROW_HEIGHT = 34;
const BAR_HEIGHT = 11;
const TOP = 44;
const BARS = [
  { key: "wall", label: "time", colour: "#2b6cb0" },
  { key: "cpu", label: "CPU", colour: "#a0aec0" },
];

/** An SVG of bars: time and CPU of this project as parts of the reference's, where the two were compared. */
export function plot(comparisons) {
  const rows = comparisons.flatMap(({ title, results }) => {
    const [ours, reference] = [NAME.ours, NAME.reference].map((name) => results.find((result) => result.name === name));
    if (ours === undefined || reference === undefined) return [];
    return [{ title, ratios: BARS.map(({ key }) => medianRatio(ours.samples, reference.samples, key)) }];
  });
  const end = Math.max(1, ...rows.flatMap(({ ratios }) => ratios)) * 1.1;
  const x = (ratio) => LABEL_WIDTH + (ratio / end) * (WIDTH - LABEL_WIDTH);
  const height = TOP + rows.length * ROW_HEIGHT + 8;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${height}" viewBox="0 0 ${WIDTH} ${height}" font-family="sans-serif" font-size="13">`,
    `<rect width="${WIDTH}" height="${height}" fill="#ffffff"/>`,
    ...BARS.map(({ label, colour }, i) => square(8 + i * 70, colour) + text(24 + i * 70, 22, label)),
    text(x(1), 22, "the reference", "middle"),
    ...rows.flatMap(({ title, ratios }, row) => [
      text(8, TOP + row * ROW_HEIGHT + 16, title),
      ...ratios.map((ratio, i) =>
        bar(x(0), x(ratio), TOP + row * ROW_HEIGHT + i * (BAR_HEIGHT + 2), ratio, BARS[i].colour),
      ),
    ]),
    `<line x1="${number(x(1))}" y1="${TOP - 14}" x2="${number(x(1))}" y2="${height - 8}" stroke="#c53030" stroke-dasharray="4 3"/>`,
    "</svg>\n",
  ].join("\n");
}

function bar(from, to, y, ratio, colour) {
  const shape = `<rect x="${number(from)}" y="${y}" width="${number(to - from)}" height="${BAR_HEIGHT}" fill="${colour}"/>`;
  return `${shape}<text x="${number(to + 4)}" y="${y + BAR_HEIGHT - 1}" font-size="11">${ratio.toFixed(2)}</text>`;
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
