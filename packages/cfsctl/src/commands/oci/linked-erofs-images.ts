import type { Command } from "commander";
import type { Context } from "../../context.ts";
import { withRepository } from "../../repository.ts";
import { objectIdArgument } from "./tree-arguments.ts";

/** `oci linked-erofs-images`: the EROFS images of one OCI image. */
export function addOciLinkedErofsImages(parent: Command, { globals, output }: Context): void {
  parent
    .command("linked-erofs-images")
    .description("list, as JSON, all EROFS images of the OCI image that has this one")
    .argument("<verity>", "id of an EROFS image")
    .action((verity: string) =>
      withRepository(globals(), async (repository) => {
        const { linkedErofsImages } = await import("@composefs/oci");
        const id = await objectIdArgument(repository, verity, "<verity>");
        await output.writeJson(await linkedErofsImages(repository, id));
      }),
    );
}
