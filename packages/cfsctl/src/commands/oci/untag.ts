import type { Command } from "commander";
import type { Context } from "../../context.ts";
import { printable } from "../../render/printable.ts";
import { withRepository } from "../../repository.ts";

/** `oci untag`: one name less. */
export function addOciUntag(parent: Command, { globals, output }: Context): void {
  parent
    .command("untag")
    .description("remove a tag; the image's data stays until garbage collection")
    .argument("<name>", "the tag")
    .action((name: string) =>
      withRepository(globals(), async (repository) => {
        const { untagImage } = await import("@composefs/oci");
        untagImage(repository, name);
        await output.write(`Removed tag ${printable(name)}\n`);
      }),
    );
}
