import type { Command } from "commander";
import type { Context } from "../../context.ts";
import { chosenVersion } from "../../image-format.ts";
import { addMountOptions, attachMount, type MountArguments, mountArguments } from "../../mount-options.ts";
import { withRepository } from "../../repository.ts";

/** `oci mount`: an image's files into the file tree. */
export function addOciMount(parent: Command, context: Context): void {
  const { globals } = context;
  const command = parent
    .command("mount")
    .description("mount the EROFS image of an image; fs-verity is required if the repository requires it")
    .argument("<image>", "tag, refs/…, digest of the manifest or config, or at least 8 digits of the manifest's")
    .argument("<mountpoint>", "an existing directory")
    .option("--bootable", "the EROFS image that was made for booting");
  addMountOptions(command).action(
    async (name: string, mountpoint: string, options: MountArguments & { readonly bootable?: true }) => {
      const mountOptions = await mountArguments(options);
      await withRepository(globals(), async (repository) => {
        const { imageToMount } = await import("@composefs/oci");
        const { bootable } = options;
        const id = await imageToMount(repository, name, { bootable, erofsVersion: chosenVersion(globals()) });
        await attachMount(await repository.mount(id, mountOptions), mountpoint, context);
      });
    },
  );
}
