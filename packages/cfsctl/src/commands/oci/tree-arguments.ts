import type { Directory, ObjectId, Repository, XattrMode } from "@composefs/core";
import type { Command } from "commander";
import { compatWhiteoutsOption, xattrsOption } from "../../options.ts";
import { UsageError } from "../../usage-error.ts";

/** Options of the commands that build the file tree of an image (cli.md §1.4). */
export interface TreeArguments {
  readonly bootable?: true;
  readonly xattrs?: XattrMode;
  readonly compatWhiteouts?: true;
}

/** Adds the arguments and options of a command that builds an image's tree. */
export function addTreeArguments(command: Command): Command {
  return command
    .argument("<image>", "tag, refs/…, @digest of the manifest or config, or at least 8 digits of the manifest's")
    .argument("[verity]", "id of the config's splitstream, which it must have then")
    .option("--bootable", "prepare it for booting: /boot and /sysroot are empty, SELinux labels set")
    .addOption(xattrsOption())
    .addOption(compatWhiteoutsOption());
}

/**
 * The tree that the arguments mean.
 *
 * @throws UsageError malformed `verity`; as `openImage` and `imageTree`
 */
export async function treeOfImage(
  repository: Repository,
  name: string,
  verity: string | undefined,
  options: TreeArguments,
): Promise<Directory> {
  const { imageTree, openImage } = await import("@composefs/oci");
  if (verity !== undefined) await checkConfigId(repository, name, verity);
  return imageTree(repository, await openImage(repository, name), options);
}

/**
 * Checks the id that an argument says the config's splitstream of an image has. With a tag it is accepted for the sake of
 * scripts, and says nothing (oci.md §5).
 *
 * @throws UsageError malformed `verity`; OciError `IMAGE_NOT_FOUND` the id is another; as `openImage`
 */
export async function checkConfigId(repository: Repository, name: string, verity: string): Promise<void> {
  const expected = await objectIdArgument(repository, verity, "[verity]");
  if (!name.startsWith("@")) return;
  const { OciError, openImage } = await import("@composefs/oci");
  const { configDigest, configId } = await openImage(repository, name);
  if (configId === expected) return;
  throw new OciError("IMAGE_NOT_FOUND", `the splitstream of config ${configDigest} is ${configId}, not ${expected}`, {
    details: { configDigest, configId, expected },
    hint: "leave the second argument out",
  });
}

/** An argument that must be an object's id, with or without the hash before it. @throws UsageError */
export async function objectIdArgument({ hash }: Repository, text: string, name: string): Promise<ObjectId> {
  const { ComposefsError, parseObjectId } = await import("@composefs/core");
  try {
    return parseObjectId(text.startsWith(`${hash}:`) ? text.slice(hash.length + 1) : text, hash);
  } catch (error) {
    if (error instanceof ComposefsError) throw new UsageError(`${name}: ${error.message}`);
    throw error;
  }
}
