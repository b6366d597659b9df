import type { Command } from "commander";
import { resolveAnyImage } from "../any-name.ts";
import type { Context } from "../context.ts";
import { addMountOptions, attachMount, type MountArguments, mountArguments } from "../mount-options.ts";
import { withRepository } from "../repository.ts";

/** `mount`: an image into the file tree. */
export function addMount(parent: Command, context: Context): void {
  const command = parent
    .command("mount")
    .description("mount an image over its objects; fs-verity is required if the repository requires it")
    .argument(
      "<name>",
      "name, id, or at least 8 digits of an EROFS image; tag or digest of an OCI image: its EROFS image",
    )
    .argument("<mountpoint>", "an existing directory");
  addMountOptions(command).action(async (name: string, mountpoint: string, options: MountArguments) => {
    const mountOptions = await mountArguments(options);
    await withRepository(context.globals(), async (repository) => {
      const id = await resolveAnyImage(repository, name, context.globals());
      await attachMount(await repository.mount(id, mountOptions), mountpoint, context);
    });
  });
}
