import type { Command } from "commander";
import type { Context } from "../../context.ts";
import { digestArgument } from "../../digest-argument.ts";
import { withRepository } from "../../repository.ts";

/** `oci import-layer`: a tar into the repository. */
export function addOciImportLayer(parent: Command, { globals, output, stdin }: Context): void {
  parent
    .command("import-layer")
    .description("import an uncompressed tar from standard input as a layer")
    .argument("<diffid>", "digest the tar must have")
    .argument("[name]", "ref to give to the layer, beneath streams/refs/")
    .option("--no-verify-diffid", "do not check the digest")
    .action(async (text: string, name: string | undefined, options: { readonly verifyDiffid: boolean }) => {
      const diffId = await digestArgument(text, "<diffid>");
      await withRepository(globals(), async (repository) => {
        const { importLayer } = await import("@composefs/oci");
        const { id } = await importLayer(repository, diffId, stdin, { name, verify: options.verifyDiffid });
        await output.write(`${repository.hash}:${id}\n`);
      });
    });
}
