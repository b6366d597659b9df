import type { Directory, ObjectId, Repository, XattrMode } from "@composefs/core";
import type { OciImage } from "@composefs/oci";
import type { Command } from "commander";
import { valueOption } from "../../options.ts";
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
    .addOption(
      valueOption("--xattrs <which>", "xattrs to keep (default: allowlist-only)", [
        "allowlist-only",
        "keep-user-xattrs",
      ]),
    )
    .option("--compat-whiteouts", "read whiteouts as composefs-rs does: also against files of their own layer");
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
  const expected = verity === undefined ? null : await objectIdArgument(repository, verity, "[verity]");
  const image = await openImage(repository, name);
  // With a tag it is accepted for the sake of scripts, and says nothing (oci.md §5).
  if (expected !== null && name.startsWith("@")) await checkConfigId(image, expected);
  return imageTree(repository, image, options);
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

async function checkConfigId({ configDigest, configId }: OciImage, expected: ObjectId): Promise<void> {
  if (configId === expected) return;
  const { OciError } = await import("@composefs/oci");
  throw new OciError("IMAGE_NOT_FOUND", `the splitstream of config ${configDigest} is ${configId}, not ${expected}`, {
    details: { configDigest, configId, expected },
    hint: "leave the second argument out",
  });
}
