import type { Command } from "commander";
import type { Context } from "../context.ts";
import { type GlobalOptions, valueOption } from "../options.ts";
import { repositoryPath } from "../repository.ts";
import { UsageError } from "../usage-error.ts";

interface InitArguments {
  readonly algorithm?: string;
  readonly insecure?: true;
  readonly resetMetadata?: true;
  readonly discardObjects?: true;
  readonly ensure?: true;
  readonly erofsVersion?: "0" | "1" | "2";
}

/** `init`: makes a repository. */
export function addInit(parent: Command, context: Context): void {
  parent
    .command("init")
    .description("create a repository, or find that it is there already")
    .argument("[path]", "where; by default what the global options say")
    .addOption(valueOption("--algorithm <algorithm>", "fs-verity algorithm (default: fsverity-sha512-12)"))
    .option("--insecure", "do without the kernel's fs-verity")
    .option("--reset-metadata", "drop all names and start anew; objects stay")
    .option("--discard-objects", "with --reset-metadata: remove the objects, too, as another algorithm needs it")
    .option("--ensure", "be content with any repository of the same algorithm")
    .addOption(valueOption("--erofs-version <version>", "EROFS format of its images (default: 1)", ["0", "1", "2"]))
    .action(async (path: string | undefined, options: InitArguments) => init(path, options, context));
}

async function init(path: string | undefined, options: InitArguments, context: Context): Promise<void> {
  const globals = context.globals();
  if (options.discardObjects && !options.resetMetadata) {
    throw new UsageError("--discard-objects goes with --reset-metadata");
  }
  const { algorithmName, initRepository } = await import("@composefs/core");
  const hash = await chosenHash(options, globals);
  const where = path ?? (await repositoryPath(globals));
  const insecure = options.insecure ?? globals.insecure ?? false;
  const version = options.erofsVersion ?? globals.erofsVersion ?? "1";
  const outcome = initRepository(where, {
    hash,
    insecure,
    erofs: { default: Number(version) as 0 | 1 | 2, extra: [] },
    reset: options.resetMetadata ?? false,
    discardObjects: options.discardObjects ?? false,
    ensure: options.ensure ?? false,
  });
  const lines = {
    created: [
      `Initialized composefs repository at ${where}`,
      `  algorithm: ${algorithmName(hash)}`,
      `  verity:    ${insecure ? "not required (insecure)" : "required"}`,
    ],
    "already-initialized": [`Repository already initialized at ${where}`],
    preserved: [`Repository already initialized at ${where} (existing configuration preserved)`],
    upgraded: [`Upgraded legacy repository at ${where}`],
  }[outcome];
  await context.output.write(`${lines.join("\n")}\n`);
}

async function chosenHash(options: InitArguments, globals: GlobalOptions): Promise<"sha256" | "sha512"> {
  const { parseAlgorithmName } = await import("@composefs/core");
  if (options.algorithm === undefined) return globals.hash ?? "sha512";
  let hash: "sha256" | "sha512";
  try {
    hash = parseAlgorithmName(options.algorithm);
  } catch (error) {
    throw new UsageError(
      `invalid value '${options.algorithm}' for '--algorithm <algorithm>': ${(error as Error).message}`,
    );
  }
  if (globals.hash === undefined || globals.hash === hash) return hash;
  throw new UsageError(`--hash ${globals.hash} and --algorithm ${options.algorithm} contradict each other`);
}
