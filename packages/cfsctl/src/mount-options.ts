import type { DetachedMount, MountOptions } from "@composefs/core";
import type { Command } from "commander";
import type { Context } from "./context.ts";
import { valueOption } from "./options.ts";
import { printable } from "./render/printable.ts";
import { UsageError } from "./usage-error.ts";

/** Options of the commands that mount (cli.md §1.6). */
export interface MountArguments {
  readonly fuse?: "auto" | "yes" | "no";
  readonly foreground?: true;
  readonly upperdir?: string;
  readonly workdir?: string;
  readonly readWrite?: true;
}

/** Adds the options of {@link MountArguments}. */
export function addMountOptions(command: Command): Command {
  return command
    .addOption(valueOption("--fuse <when>", "mount by FUSE, which is not supported yet", ["auto", "yes", "no"]))
    .option("--foreground", "stay with a FUSE mount; the kernel's own need nobody to stay")
    .addOption(valueOption("--upperdir <dir>", "directory for changes"))
    .addOption(valueOption("--workdir <dir>", "empty directory on the same file system as --upperdir"))
    .option("--read-write", "let changes through to --upperdir");
}

/**
 * What the options mean.
 *
 * @throws UsageError an option without the one it goes with; ComposefsError `MOUNT_FAILED` FUSE
 */
export async function mountArguments(options: MountArguments): Promise<MountOptions> {
  const { upperdir, workdir, readWrite = false } = options;
  if ((upperdir === undefined) !== (workdir === undefined)) {
    throw new UsageError("--upperdir and --workdir go together");
  }
  if (readWrite && upperdir === undefined) throw new UsageError("--read-write needs --upperdir and --workdir");
  if (options.fuse === "yes") {
    const { ComposefsError } = await import("@composefs/core");
    throw new ComposefsError("MOUNT_FAILED", "mounting by FUSE is not supported", {
      details: { fuse: options.fuse },
      hint: "leave --fuse out and mount as root",
    });
  }
  const upper =
    upperdir === undefined || workdir === undefined ? {} : { upper: { upperDir: upperdir, workDir: workdir } };
  return { ...upper, readWrite };
}

/** Moves a mount to its place; what the kernel said while mounting goes to standard error. */
export async function attachMount(
  mount: DetachedMount,
  mountpoint: string,
  { stderr }: Pick<Context, "stderr">,
): Promise<void> {
  try {
    for (const message of mount.messages) stderr.write(`${printable(message)}\n`);
    await mount.attach(mountpoint);
  } finally {
    await mount.close();
  }
}
