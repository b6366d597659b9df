import { readFileSync } from "node:fs";
import { Command, CommanderError } from "commander";
import { addCat } from "./commands/cat.ts";
import { addInit } from "./commands/init.ts";
import { addOciImages } from "./commands/oci/images.ts";
import { addOciImportLayer } from "./commands/oci/import-layer.ts";
import { addOciInspect } from "./commands/oci/inspect.ts";
import { addOciLayer } from "./commands/oci/layer.ts";
import { addOciPull } from "./commands/oci/pull.ts";
import { addOciTag } from "./commands/oci/tag.ts";
import { addOciUntag } from "./commands/oci/untag.ts";
import type { CommandBuilder, Context } from "./context.ts";
import { type Io, Output, StdoutClosed } from "./io.ts";
import { type GlobalOptions, globalOptions } from "./options.ts";
import { formatError } from "./render/error.ts";
import { printable } from "./render/printable.ts";
import { UsageError } from "./usage-error.ts";

const COMMANDS: readonly CommandBuilder[] = [addInit, addCat];
const OCI_COMMANDS: readonly CommandBuilder[] = [
  addOciPull,
  addOciImages,
  addOciInspect,
  addOciTag,
  addOciUntag,
  addOciLayer,
  addOciImportLayer,
];

/** Exit statuses. */
const OK = 0;
const FAILED = 1;
const USAGE = 2;
const SEE_HELP = "For more information, try '--help'.";

/**
 * Runs one command line.
 *
 * @param argv the arguments after the command's name
 * @returns the exit status: 0 done, 1 failed, 2 the arguments make no sense
 */
export async function runCli(argv: readonly string[], io: Io = process): Promise<number> {
  const output = new Output(io.stdout);
  // Without a listener a closed or full standard error would end the process in the middle of its work. Messages that
  // nobody can hear are no reason to fail; the exit status tells how it went.
  io.stderr.on("error", () => undefined);
  const program = createProgram(io, output);
  try {
    await parse(program, argv);
    await output.flush();
    return OK;
  } catch (error) {
    if (error instanceof StdoutClosed) return OK;
    if (error instanceof CommanderError) return USAGE;
    if (error instanceof UsageError) {
      io.stderr.write(`error: ${printable(error.message)}\n\n${SEE_HELP}\n`);
      return USAGE;
    }
    io.stderr.write(formatError(error));
    return FAILED;
  }
}

/** Runs the command; help and version end commander's work by an error, too. @throws CommanderError usage errors */
async function parse(program: Command, argv: readonly string[]): Promise<void> {
  try {
    await program.parseAsync(argv, { from: "user" });
  } catch (error) {
    if (!(error instanceof CommanderError) || error.exitCode !== OK) throw error;
  }
}

function createProgram(io: Io, output: Output): Command {
  const program = new Command("cfsctl")
    .description("Works on composefs repositories: container and OS images as files named by their fs-verity digest.")
    .version(`cfsctl ${version()}`, "-V, --version", "show the version")
    .exitOverride()
    .enablePositionalOptions()
    .showHelpAfterError(SEE_HELP)
    .configureOutput({
      writeOut: (text) => io.stdout.write(text),
      // It repeats arguments as they were given.
      writeErr: (text) => io.stderr.write(text.split("\n").map(printable).join("\n")),
    });
  for (const option of globalOptions()) program.addOption(option);
  const context: Context = { ...pickIo(io), output, globals: () => program.opts<GlobalOptions>() };
  for (const add of COMMANDS) add(program, context);
  const oci = program.command("oci").description("work on OCI images");
  for (const add of OCI_COMMANDS) add(oci, context);
  return program;
}

/** `process` has its streams behind getters, which spreading would not copy. */
function pickIo({ stdin, stdout, stderr }: Io): Io {
  return { stdin, stdout, stderr };
}

function version(): string {
  const manifest = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8")) as { version: string };
  return manifest.version;
}
