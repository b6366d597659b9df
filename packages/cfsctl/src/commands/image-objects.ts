import type { Command } from "commander";
import type { Context } from "../context.ts";
import { withRepository } from "../repository.ts";

/** `image-objects`: what an image refers to. */
export function addImageObjects(parent: Command, { globals, output }: Context): void {
  parent
    .command("image-objects")
    .description("list the objects an image refers to, sorted")
    .argument("<name>", "name of the image, its id, or at least 8 digits of that")
    .action((name: string) =>
      withRepository(globals(), async (repository) => {
        const ids = await repository.imageObjects(name);
        await output.write(ids.map((id) => `${repository.hash}:${id}\n`).join(""));
      }),
    );
}
