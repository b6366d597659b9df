import type { Command } from "commander";
import type { Context } from "../context.ts";
import { addMountOptions, attachMount, type MountArguments, mountArguments } from "../mount-options.ts";
import { withRepository } from "../repository.ts";

/** `mount`: an image into the file tree. */
export function addMount(parent: Command, context: Context): void {
  const command = parent
    .command("mount")
    .description("mount an image over its objects; fs-verity is required if the repository requires it")
    .argument("<name>", "name of the image, its id, or at least 8 digits of that")
    .argument("<mountpoint>", "an existing directory");
  addMountOptions(command).action(async (name: string, mountpoint: string, options: MountArguments) => {
    const mountOptions = await mountArguments(options);
    await withRepository(context.globals(), async (repository) =>
      attachMount(await repository.mount(name, mountOptions), mountpoint, context),
    );
  });
}
