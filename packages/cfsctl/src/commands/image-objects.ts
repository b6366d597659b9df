import type { Command } from "commander";
import { resolveAnyImage } from "../any-name.ts";
import type { Context } from "../context.ts";
import { withRepository } from "../repository.ts";

/** `image-objects`: what an image refers to. */
export function addImageObjects(parent: Command, { globals, output }: Context): void {
  parent
    .command("image-objects")
    .description("list the objects an image refers to, sorted")
    .argument(
      "<name>",
      "name, id, or at least 8 digits of an EROFS image; tag or digest of an OCI image: its EROFS image",
    )
    .action((name: string) =>
      withRepository(globals(), async (repository) => {
        const ids = await repository.imageObjects(await resolveAnyImage(repository, name, globals()));
        await output.write(ids.map((id) => `${repository.hash}:${id}\n`).join(""));
      }),
    );
}
