import { access, readFile } from "node:fs/promises";
import { join } from "node:path";
import type { ByteString, Directory } from "@composefs/core";
import { type Command, Option } from "commander";
import type { Context } from "../../context.ts";
import { valueOption } from "../../options.ts";
import { UsageError } from "../../usage-error.ts";

/** The tool knows no other (cli.md §1.7). */
const HASH = "sha256";

interface InfoArguments {
  readonly filter?: readonly string[];
  readonly basedir?: string;
}

/** `composefs-info`: what image files hold. */
export function addComposefsInfo(program: Command, { output }: Context): void {
  program.description("Shows what composefs images hold.");
  // The C tool has its options before the subcommand (cli.md D24).
  program.addOption(filterOption().hideHelp()).addOption(basedirOption().hideHelp());
  const add = (name: string, description: string, run: (images: string[], options: InfoArguments) => Promise<void>) =>
    program
      .command(name)
      .description(description)
      .argument("[images...]", "image files")
      .action((images: string[], own: InfoArguments) => run(images, merged(program.opts<InfoArguments>(), own)));

  add("ls", "list files and directories", async (images, { filter }) => {
    const { listingLines } = await import("./listing.ts");
    for (const image of images) {
      for (const line of listingLines(filtered(await readImage(image), filter))) await output.write(line);
    }
  }).addOption(filterOption());

  add("dump", "write the images as composefs-dump(5) text", async (images, { filter }) => {
    const { writeDumpfile } = await import("@composefs/core");
    for (const image of images) {
      const tree = filtered(await readImage(image), filter);
      for (const piece of writeDumpfile(tree, { losses: "write" })) await output.write(piece);
    }
  }).addOption(filterOption());

  add("objects", "list the objects that each image refers to", async (images) => {
    const { externalFiles } = await import("./listing.ts");
    for (const image of images) {
      for (const object of externalFiles(await readImage(image))) await output.write(`${object}\n`);
    }
  });

  add("missing-objects", "list the objects of all images that are not in --basedir", async (images, { basedir }) => {
    if (basedir === undefined) throw new UsageError("--basedir is missing");
    const { externalFiles } = await import("./listing.ts");
    const objects = new Set<string>();
    for (const image of images) for (const object of externalFiles(await readImage(image))) objects.add(object);
    for (const object of [...objects].sort()) {
      if (!(await exists(join(basedir, object)))) await output.write(`${object}\n`);
    }
  }).addOption(basedirOption());

  program
    .command("measure-file")
    .description("print the fs-verity digest of each file")
    .argument("[files...]", "any files")
    .action(async (files: string[]) => {
      const { measureFile } = await import("@composefs/core");
      for (const file of files) await output.write(`${await measureFile(file, HASH)}\n`);
    });
}

function filterOption(): Option {
  const option = new Option("--filter <name>", "only this entry of the root directory (may be repeated)");
  return option.argParser((value: string, previous: readonly string[] | undefined) => [...(previous ?? []), value]);
}

function basedirOption(): Option {
  return valueOption("--basedir <dir>", "directory of objects");
}

function merged(before: InfoArguments, own: InfoArguments): InfoArguments {
  const filter = [...(before.filter ?? []), ...(own.filter ?? [])];
  const basedir = own.basedir ?? before.basedir;
  return { ...(filter.length === 0 ? {} : { filter }), ...(basedir === undefined ? {} : { basedir }) };
}

async function readImage(path: string): Promise<Directory> {
  const { ComposefsError, parseImage } = await import("@composefs/core");
  const bytes = await readFile(path);
  try {
    return parseImage(bytes, { hash: HASH });
  } catch (cause) {
    if (!(cause instanceof ComposefsError)) throw cause;
    throw new ComposefsError(cause.code, `${path}: ${cause.message}`, { details: { ...cause.details, path }, cause });
  }
}

/** The tree with those entries of the root only; all where none are named. */
function filtered(root: Directory, filter: readonly string[] | undefined): Directory {
  if (filter === undefined) return root;
  const names = new Set(filter.map((name) => Buffer.from(name).toString("latin1") as ByteString));
  return { stat: root.stat, entries: new Map([...root.entries].filter(([name]) => names.has(name))) };
}

async function exists(path: string): Promise<boolean> {
  try {
    await access(path);
    return true;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ENOTDIR") return false;
    throw error;
  }
}
