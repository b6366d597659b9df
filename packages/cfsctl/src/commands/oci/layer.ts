import type { Command } from "commander";
import type { Context } from "../../context.ts";
import { digestArgument } from "../../digest-argument.ts";
import { withRepository } from "../../repository.ts";

/** `oci layer`: a layer's tar. */
export function addOciLayer(parent: Command, { globals, output }: Context): void {
  parent
    .command("layer")
    .description("write the tar of a layer, or its figures")
    .argument("<diffid>", "digest of the uncompressed layer")
    .option("--json", "print its size and how it is stored")
    .action(async (text: string, options: { readonly json?: true }) => {
      const diffId = await digestArgument(text, "<diffid>");
      await withRepository(globals(), async (repository) => {
        const { layerTar, summarizeLayer } = await import("@composefs/oci");
        if (options.json) {
          await output.writeJson(await summarizeLayer(repository, diffId));
          return;
        }
        if (output.isTerminal) throw new Error("refusing to write a tar to a terminal: redirect it, or use --json");
        for await (const bytes of layerTar(repository, diffId)) await output.write(bytes);
      });
    });
}
