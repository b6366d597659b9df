import { closeSync, constants, openSync } from "node:fs";
import type { Command } from "commander";
import type { Context } from "../../context.ts";
import { attachMount } from "../../mount-options.ts";
import { valueOption } from "../../options.ts";
import { type MountComposefsOptions, parseMountOptions } from "./mount-option-text.ts";

/** The tool knows no other (cli.md §1.7). */
const HASH = "sha256";

const OPTIONS_HELP = `
Mount options (-o), a backslash takes , and = literally:
  basedir=DIR[:DIR]   directories of objects (required)
  digest=HEX          fs-verity digest the image must have; implies verity
  verity              refuse objects without the fs-verity digest that the image records
  tryverity           the same, if the kernel can do it
  ro, rw              rw is the default with upperdir
  upperdir=DIR        directory for changes, with workdir=DIR
  idmap=FILE          user namespace (/proc/PID/ns/user) to map owners through
`;

interface MountComposefsArguments {
  readonly t?: string;
  readonly o?: string;
}

/** `mount.composefs`: what mount(8) calls for the type `composefs`. */
export function addMountComposefs(program: Command, context: Context): void {
  program
    .description("Mounts a composefs image file.")
    .argument("<image>", "the image file")
    .argument("<mountpoint>", "an existing directory")
    .addOption(valueOption("-t <type>", "file system type; only composefs"))
    .addOption(valueOption("-o <options>", "mount options, separated by commas"))
    .addHelpText("after", OPTIONS_HELP)
    .action(async (image: string, mountpoint: string, { t: type = "composefs", o = "" }: MountComposefsArguments) => {
      if (type !== "composefs") throw new Error(`Unsupported fs type '${type}'`);
      await mountComposefs(image, mountpoint, parseMountOptions(o), context);
    });
}

async function mountComposefs(
  image: string,
  mountpoint: string,
  options: MountComposefsOptions,
  context: Context,
): Promise<void> {
  const { ComposefsError, mountImage } = await import("@composefs/core");
  const opened: number[] = [];
  const open = (path: string, flags = 0): number => {
    const fd = openSync(path, constants.O_RDONLY | flags);
    opened.push(fd);
    return fd;
  };
  try {
    const imageFd = open(image);
    if (options.digest !== undefined) await checkDigest(imageFd, image, options.digest);
    const { upperdir, workdir, idmap } = options;
    const upper =
      upperdir === undefined || workdir === undefined ? undefined : { upperDir: upperdir, workDir: workdir };
    const settings = {
      image: imageFd,
      objects: options.basedirs.map((path) => open(path, constants.O_DIRECTORY)),
      name: "composefs",
      upper,
      readWrite: upper !== undefined && options.access !== "ro",
      idMap: idmap === undefined ? undefined : open(idmap),
    };
    const mount = await mountImage({ ...settings, verity: options.verity !== "no" }).catch((error: unknown) => {
      // What overlayfs answers where it does not know the option, before Linux 6.6.
      const unknown = error instanceof ComposefsError && error.details.errno === "EINVAL";
      if (options.verity !== "try" || !unknown) throw error;
      return mountImage({ ...settings, verity: false });
    });
    await attachMount(mount, mountpoint, context);
  } finally {
    for (const fd of opened) closeSync(fd);
  }
}

async function checkDigest(imageFd: number, image: string, digest: string): Promise<void> {
  const { ComposefsError, parseObjectId, verifyImage } = await import("@composefs/core");
  const id = parseObjectId(digest.toLowerCase(), HASH);
  try {
    verifyImage({ imageFd, id, hash: HASH, name: image });
  } catch (cause) {
    if (!(cause instanceof ComposefsError)) throw cause;
    const what = cause.code === "VERITY_REQUIRED" ? "Image has no fs-verity" : "Image has wrong fs-verity";
    const { details } = cause;
    throw new ComposefsError(cause.code, what, {
      details,
      hint: "digest= takes the fs-verity digest of the image",
      cause,
    });
  }
}
