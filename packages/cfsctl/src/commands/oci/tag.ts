import type { Command } from "commander";
import type { Context } from "../../context.ts";
import { printable } from "../../render/printable.ts";
import { withRepository } from "../../repository.ts";

/** `oci tag`: another name for an image. */
export function addOciTag(parent: Command, { globals, output }: Context): void {
  parent
    .command("tag")
    .description("give an image another tag")
    .argument("<image>", "manifest digest, or anything `oci inspect` takes")
    .argument("<name>", "the tag")
    .action((image: string, name: string) =>
      withRepository(globals(), async (repository) => {
        const { tagImage } = await import("@composefs/oci");
        await output.write(`Tagged ${await tagImage(repository, image, name)} as ${printable(name)}\n`);
      }),
    );
}
