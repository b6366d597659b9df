import { basename } from "node:path";
import type { CommandBuilder } from "../../context.ts";

/** Other programs that are in this one (cli.md §1.7). */
const PROGRAMS: ReadonlyMap<string, () => Promise<CommandBuilder>> = new Map([
  ["mkcomposefs", async () => (await import("./mkcomposefs.ts")).addMkcomposefs],
  ["composefs-info", async () => (await import("./composefs-info.ts")).addComposefsInfo],
  ["mount.composefs", async () => (await import("./mount-composefs.ts")).addMountComposefs],
]);

/** Which program a command line is for. */
export interface ChosenProgram {
  readonly name: string;
  readonly load: () => Promise<CommandBuilder>;
  /** Its own arguments. */
  readonly argv: readonly string[];
}

/**
 * The program that the file name of the running script asks for, else the first argument; null for neither.
 *
 * @param script path that the program was started by
 */
export function chosenProgram(argv: readonly string[], script: string): ChosenProgram | null {
  const byScript = basename(script).replace(/\.js$/, "");
  const named = PROGRAMS.get(byScript);
  if (named !== undefined) return { name: byScript, load: named, argv };
  const [first = "", ...rest] = argv;
  const load = PROGRAMS.get(first);
  return load === undefined ? null : { name: first, load, argv: rest };
}
