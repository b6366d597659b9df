import { readFileSync } from "node:fs";
import { Command, CommanderError } from "commander";
import { loadCommands } from "./commands/load-commands.ts";
import { type ChosenProgram, chosenProgram } from "./commands/multicall/programs.ts";
import type { Context } from "./context.ts";
import { type Io, Output, StdoutClosed } from "./io.ts";
import { type GlobalOptions, globalOptions, namedJsonVersions } from "./options.ts";
import { formatError } from "./render/error.ts";
import { printable } from "./render/printable.ts";
import { UsageError } from "./usage-error.ts";

/** Exit statuses. */
const OK = 0;
const FAILED = 1;
const USAGE = 2;
const SEE_HELP = "For more information, try '--help'.";

/**
 * Runs one command line.
 *
 * @param argv the arguments after the command's name
 * @param script path the command was started by, whose name may be that of another program (cli.md §1.7)
 * @returns the exit status: 0 done, 1 failed, 2 the arguments make no sense
 */
export async function runCli(argv: readonly string[], io: Io = process, script = "cfsctl"): Promise<number> {
  const output = new Output(io.stdout);
  // Without a listener a closed or full standard error would end the process in the middle of its work. Messages that
  // nobody can hear are no reason to fail; the exit status tells how it went.
  io.stderr.on("error", () => undefined);
  const other = chosenProgram(argv, script);
  try {
    const program = await (other === null ? createProgram(argv, io, output) : createOtherProgram(other, io, output));
    await parse(program, other?.argv ?? argv);
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
    await program.parseAsync(namedJsonVersions(argv), { from: "user" });
  } catch (error) {
    if (!(error instanceof CommanderError) || error.exitCode !== OK) throw error;
  }
}

/** The program with those of its commands that `argv` may mean. */
async function createProgram(argv: readonly string[], io: Io, output: Output): Promise<Command> {
  const program = newProgram("cfsctl", io).description(
    "Works on composefs repositories: container and OS images as files named by their fs-verity digest.",
  );
  for (const option of globalOptions()) program.addOption(option);
  const context: Context = { ...pickIo(io), output, globals: () => program.opts<GlobalOptions>() };
  for (const add of await loadCommands(argv)) add(program, context);
  return program;
}

async function createOtherProgram({ name, load }: ChosenProgram, io: Io, output: Output): Promise<Command> {
  const program = newProgram(name, io);
  const build = await load();
  build(program, { ...pickIo(io), output, globals: () => ({ repo: false, upgrade: true }) });
  return program;
}

function newProgram(name: string, io: Io): Command {
  return new Command(name)
    .version(`${name} ${version()}`, "-V, --version", "show the version")
    .exitOverride()
    .enablePositionalOptions()
    .showHelpAfterError(SEE_HELP)
    .configureOutput({
      writeOut: (text) => io.stdout.write(text),
      // It repeats arguments as they were given.
      writeErr: (text) => io.stderr.write(text.split("\n").map(printable).join("\n")),
    });
}

/** `process` has its streams behind getters, which spreading would not copy. */
function pickIo({ stdin, stdout, stderr }: Io): Io {
  return { stdin, stdout, stderr };
}

function version(): string {
  const manifest = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8")) as { version: string };
  return manifest.version;
}
