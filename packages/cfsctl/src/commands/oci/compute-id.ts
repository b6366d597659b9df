import type { Command } from "commander";
import type { Context } from "../../context.ts";
import { chosenVersion } from "../../image-format.ts";
import { withRepository } from "../../repository.ts";
import { addTreeArguments, type TreeArguments, treeOfImage } from "./tree-arguments.ts";

/** `oci compute-id`: what an image's EROFS image is called, built anew from its layers. */
export function addOciComputeId(parent: Command, { globals, output }: Context): void {
  const command = parent
    .command("compute-id")
    .description("print the id of the EROFS image of an image's files; nothing is stored");
  addTreeArguments(command).action((name: string, verity: string | undefined, options: TreeArguments) =>
    withRepository(globals(), async (repository) => {
      const { buildImage, imageId } = await import("@composefs/core");
      const { hash, erofs } = repository;
      const tree = await treeOfImage(repository, name, verity, options);
      const version = chosenVersion(globals()) ?? erofs.default;
      await output.write(`${imageId(buildImage(tree, { version, hash }), hash)}\n`);
    }),
  );
}
