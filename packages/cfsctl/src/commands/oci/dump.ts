import type { Command } from "commander";
import type { Context } from "../../context.ts";
import { withRepository } from "../../repository.ts";
import { addTreeArguments, type TreeArguments, treeOfImage } from "./tree-arguments.ts";

/** `oci dump`: an image's files as text. */
export function addOciDump(parent: Command, { globals, output }: Context): void {
  const command = parent.command("dump").description("write the files of an image as composefs-dump(5) text");
  addTreeArguments(command).action((name: string, verity: string | undefined, options: TreeArguments) =>
    withRepository(globals(), async (repository) => {
      const { writeDumpfile } = await import("@composefs/core");
      const tree = await treeOfImage(repository, name, verity, options);
      for (const piece of writeDumpfile(tree, { losses: "write" })) await output.write(piece);
    }),
  );
}
