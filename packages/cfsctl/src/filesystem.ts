import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Directory, ScanOptions, XattrMode } from "@composefs/core";
import type { Command } from "commander";
import { xattrsOption } from "./options.ts";

/** Options of the commands that read a directory (cli.md §1.3). */
export interface FilesystemArguments {
  readonly bootable?: true;
  readonly propagateUsrToRoot: boolean;
  readonly xattrs?: XattrMode;
}

/** Adds `--no-propagate-usr-to-root`. */
export function addPropagateOption(command: Command): Command {
  return command.option("--no-propagate-usr-to-root", "leave / as it is, and /run and the xattrs, too");
}

/** Adds the options of {@link FilesystemArguments}. */
export function addFilesystemOptions(command: Command): Command {
  return addPropagateOption(
    command
      .option("--bootable", "prepare it for booting: /boot and /sysroot are empty, SELinux labels set")
      .addOption(xattrsOption()),
  );
}

/**
 * The tree of a directory as an image of it has it.
 *
 * @throws as `scanDirectory`; ComposefsError `TREE_INVALID`, `SELINUX_POLICY_INVALID`, `SELINUX_UNSUPPORTED`
 */
export async function readFilesystem(
  path: string,
  options: FilesystemArguments,
  scan: ScanOptions,
): Promise<Directory> {
  const { labelBootTree, prepareBootTree, prepareTree, scanDirectory } = await import("@composefs/core");
  const root = await scanDirectory(path, scan);
  if (options.propagateUsrToRoot) prepareTree(root, { xattrs: options.xattrs ?? "allowlist-only" });
  if (options.bootable) {
    prepareBootTree(root);
    await labelBootTree(root, (_, beneath) => readFile(join(path, beneath)));
  }
  return root;
}
