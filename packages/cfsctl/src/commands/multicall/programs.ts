import { basename } from "node:path";
import type { CommandBuilder } from "../../context.ts";
import { addComposefsInfo } from "./composefs-info.ts";
import { addMkcomposefs } from "./mkcomposefs.ts";
import { addMountComposefs } from "./mount-composefs.ts";

/** Other programs that are in this one (cli.md §1.7). */
const PROGRAMS: ReadonlyMap<string, CommandBuilder> = new Map([
  ["mkcomposefs", addMkcomposefs],
  ["composefs-info", addComposefsInfo],
  ["mount.composefs", addMountComposefs],
]);

/** Which program a command line is for. */
export interface ChosenProgram {
  readonly name: string;
  readonly build: CommandBuilder;
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
  if (named !== undefined) return { name: byScript, build: named, argv };
  const [first = "", ...rest] = argv;
  const build = PROGRAMS.get(first);
  return build === undefined ? null : { name: first, build, argv: rest };
}
