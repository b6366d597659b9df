import { printable } from "./printable.ts";

/** A table in box-drawing characters with a rule between rows, for people (oci.md §5). */
export function formatTable(header: readonly string[], cells: readonly (readonly string[])[]): string {
  const rows = cells.map((row) => row.map(printable));
  const widths = header.map((title, column) =>
    rows.reduce((widest, row) => Math.max(widest, width(row[column] ?? "")), width(title)),
  );
  const rule = (left: string, fill: string, cross: string, right: string): string =>
    `${left}${widths.map((columns) => fill.repeat(columns + 2)).join(cross)}${right}\n`;
  const line = (row: readonly string[]): string =>
    `│${widths.map((columns, i) => ` ${pad(row[i] ?? "", columns)} `).join("┆")}│\n`;
  const body = rows.map(line).join(rule("├", "╌", "┼", "┤"));
  return rule("┌", "─", "┬", "┐") + line(header) + rule("╞", "═", "╪", "╡") + body + rule("└", "─", "┴", "┘");
}

function width(text: string): number {
  return [...text].length;
}

function pad(text: string, columns: number): string {
  return text + " ".repeat(columns - width(text));
}
