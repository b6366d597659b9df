import type { Command } from "commander";
import type { Context } from "../../context.ts";
import { printable } from "../../render/printable.ts";
import { withRepository } from "../../repository.ts";

/** `oci rm`: an image without names. */
export function addOciRm(parent: Command, { globals, output }: Context): void {
  parent
    .command("rm")
    .description("remove every tag of an image; the next `cfsctl gc` removes its data")
    .argument("<image>", "anything `oci inspect` takes")
    .action((image: string) =>
      withRepository(globals(), async (repository) => {
        const { removeImage } = await import("@composefs/oci");
        const { tags } = await removeImage(repository, image);
        await output.write(tags.map((tag) => `Removed tag ${printable(tag)}\n`).join(""));
      }),
    );
}
