import type { Command } from "commander";
import type { Io, Output } from "./io.ts";
import type { GlobalOptions } from "./options.ts";

/** What every command is built with. */
export interface Context extends Io {
  /** Standard output, for results. */
  readonly output: Output;
  /** The options before the first subcommand, once the command line is parsed. */
  readonly globals: () => GlobalOptions;
}

/** Adds one command to its parent. */
export type CommandBuilder = (parent: Command, context: Context) => void;
