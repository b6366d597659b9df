import type { Command } from "commander";
import type { Context } from "../../context.ts";
import { chosenVersion } from "../../image-format.ts";
import { interruptible } from "../../interrupt.ts";
import { compatWhiteoutsOption } from "../../options.ts";
import { withRepository } from "../../repository.ts";
import { UsageError } from "../../usage-error.ts";
import { checkConfigId } from "./tree-arguments.ts";

interface PrepareBootArguments {
  readonly bootdir: string;
  readonly entryId?: string;
  readonly cmdline?: readonly string[];
  readonly compatWhiteouts?: true;
}

/** `oci prepare-boot`: the files that boot an image, onto the boot partition. */
export function addOciPrepareBoot(parent: Command, { globals }: Context): void {
  parent
    .command("prepare-boot")
    .description("write the files that boot an image to the boot partition, and make the directories of its state")
    .argument("<image>", "tag, refs/…, @digest of the manifest or config, or at least 8 digits of the manifest's")
    .argument("[verity]", "id of the config's splitstream, which it must have then")
    .option("--bootdir <dir>", "where the boot partition is mounted", "/boot")
    .option("--entry-id <name>", "name of the boot entry (default: the image's own, or the kernel's version)")
    .option("--cmdline <argument>", "kernel argument to set; may be repeated", collect)
    .addOption(compatWhiteoutsOption())
    .action((image: string, verity: string | undefined, options: PrepareBootArguments) =>
      withRepository(globals(), async (repository) => {
        const { prepareBoot } = await import("@composefs/oci");
        if (verity !== undefined) await checkConfigId(repository, image, verity);
        // No signal is passed on: what is begun on the boot partition is also ended.
        await interruptible(() =>
          prepareBoot(repository, image, {
            bootDirectory: options.bootdir,
            entryId: options.entryId,
            commandLine: options.cmdline ?? [],
            compatWhiteouts: options.compatWhiteouts ?? false,
            erofsVersion: chosenVersion(globals()),
          }),
        );
      }),
    );
}

function collect(argument: string, before: readonly string[] = []): readonly string[] {
  // A line of the entry each would be, or none at all.
  if (!/^[^\p{Cc}]*[^\p{Cc}\s][^\p{Cc}]*$/u.test(argument))
    throw new UsageError("--cmdline: expected a kernel argument");
  return [...before, argument];
}
