import { readFileSync, writeFileSync } from "node:fs";
import { plot } from "./plot.mjs";
import { report } from "./report.mjs";

const PAGE = new URL("../docs/performance.md", import.meta.url);
const PLOT = new URL("../docs/performance.svg", import.meta.url);
const BEGIN = "<!-- written by bench/run.mjs --write -->\n";
const END = "<!-- end of what bench/run.mjs writes -->\n";

/** Puts the figures between their marks in docs/performance.md, and draws docs/performance.svg. */
export function writeDocs(machine, rounds, comparisons) {
  const page = readFileSync(PAGE, "utf8");
  const [begin, end] = [page.indexOf(BEGIN), page.indexOf(END)];
  if (begin < 0 || end < begin) throw new Error(`${PAGE.pathname}: expected the marks of the figures`);
  const intro = `${machine.join("\n")}\nMedians of ${rounds} rounds.\n`;
  const figures = `\n${intro}\n![time and CPU as parts of the reference's](performance.svg)\n\n${report(comparisons)}\n`;
  writeFileSync(PAGE, page.slice(0, begin + BEGIN.length) + figures + page.slice(end));
  writeFileSync(PLOT, plot(comparisons));
}
