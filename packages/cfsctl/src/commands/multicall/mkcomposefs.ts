import { createReadStream } from "node:fs";
import type { Directory } from "@composefs/core";
import { type Command, InvalidArgumentError } from "commander";
import type { Context } from "../../context.ts";
import { CliError } from "../../errors.ts";
import { valueOption } from "../../options.ts";
import { UsageError } from "../../usage-error.ts";
import { writeImageFile } from "./image-file.ts";

/** The tool knows no other (cli.md §1.7). */
const HASH = "sha256";
/** Newest format that the C tool can write. */
const NEWEST_FORMAT = 1;

interface MkcomposefsArguments {
  readonly fromFile?: true;
  readonly printDigest?: true;
  readonly printDigestOnly?: true;
  readonly useEpoch?: true;
  readonly skipDevices?: true;
  readonly skipXattrs?: true;
  readonly userXattrs?: true;
  readonly minVersion: number;
  readonly maxVersion: number;
  readonly digestStore?: string;
  readonly hardlinks?: true;
}

/** `mkcomposefs`: an image of a directory or dumpfile, without repository. */
export function addMkcomposefs(program: Command, context: Context): void {
  program
    .description("Makes a composefs image of a directory or a dumpfile.")
    .argument("<source>", "the directory, or with --from-file the dumpfile")
    .argument("[image]", "file to write the image to; - is standard output")
    .option("--from-file", "<source> is a dumpfile; - is standard input")
    .option("--print-digest", "print the image's fs-verity digest")
    .option("--print-digest-only", "print the digest and write no image")
    .option("--use-epoch", "set every modification time to 0")
    .option("--skip-devices", "leave out devices, whiteouts too")
    .option("--skip-xattrs", "leave out all xattrs")
    .option("--user-xattrs", "keep only xattrs that begin with user.")
    .option("--min-version <n>", "format of the image, 0 or 1", versionArgument, 0)
    .option("--max-version <n>", "newest format that is acceptable", versionArgument, NEWEST_FORMAT)
    .addOption(
      valueOption("--digest-store <dir>", "copy the files of a directory into this one, named by their digests"),
    )
    .option("--hardlinks", "keep the hard links of a directory; without it each name is a file of its own")
    .option("--threads <n>", "accepted for compatibility; the number of threads is chosen by itself", versionArgument)
    .action((source: string, image: string | undefined, options: MkcomposefsArguments) =>
      mkcomposefs(source, image, options, context),
    );
}

async function mkcomposefs(
  source: string,
  image: string | undefined,
  options: MkcomposefsArguments,
  context: Context,
): Promise<void> {
  const version = formatOf(options);
  checkImageArgument(image, options, context);
  const { adjustTree, buildImage, imageId } = await import("@composefs/core");
  const tree = options.fromFile ? await readDumpfile(source, context) : await readDirectory(source, options);
  adjustTree(tree, {
    skipXattrs: options.skipXattrs ?? false,
    userXattrs: options.userXattrs ?? false,
    useEpoch: options.useEpoch ?? false,
    skipDevices: options.skipDevices ?? false,
  });
  const bytes = buildImage(tree, { version, hash: HASH });
  if (image === "-") await context.output.write(bytes);
  else if (image !== undefined) writeImageFile(image, bytes);
  if (options.printDigest || options.printDigestOnly) await context.output.write(`${imageId(bytes, HASH)}\n`);
}

/** The least version that is allowed; the greatest is only checked (erofs-image.md §6). */
function formatOf({ minVersion, maxVersion }: MkcomposefsArguments): 0 | 1 {
  if (minVersion > maxVersion) {
    throw new Error(`--min-version (${minVersion}) must not exceed --max-version (${maxVersion})`);
  }
  if (minVersion > NEWEST_FORMAT) {
    throw new Error(`--min-version ${minVersion} is not supported: the newest format of this tool is ${NEWEST_FORMAT}`);
  }
  return minVersion as 0 | 1;
}

function checkImageArgument(image: string | undefined, options: MkcomposefsArguments, { output }: Context): void {
  if (options.printDigestOnly) {
    if (image !== undefined) throw new UsageError("[image] and --print-digest-only exclude each other");
  } else if (image === undefined) {
    throw new UsageError("[image] is missing: name it, or use --print-digest-only");
  }
  if (image === "-" && output.isTerminal) {
    throw new CliError("OUTPUT_TERMINAL", "refusing to write an image to a terminal", { hint: "redirect it" });
  }
}

async function readDumpfile(source: string, { stdin }: Context): Promise<Directory> {
  const { parseDumpfile } = await import("@composefs/core");
  return parseDumpfile(source === "-" ? stdin : createReadStream(source), { hash: HASH });
}

async function readDirectory(source: string, { digestStore, hardlinks }: MkcomposefsArguments): Promise<Directory> {
  const { DigestStore, scanDirectory, splitHardLinks } = await import("@composefs/core");
  const digests = digestStore === undefined ? null : DigestStore.open(digestStore, HASH);
  try {
    const tree = await scanDirectory(source, { hash: HASH, store: digests?.store });
    if (!hardlinks) splitHardLinks(tree);
    return tree;
  } finally {
    digests?.close();
  }
}

function versionArgument(text: string): number {
  if (!/^[0-9]{1,9}$/.test(text)) throw new InvalidArgumentError("It is no number.");
  return Number(text);
}
