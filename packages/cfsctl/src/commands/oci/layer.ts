import type { LayerSummary } from "@composefs/oci";
import { type Command, Option } from "commander";
import type { Context } from "../../context.ts";
import { digestArgument } from "../../digest-argument.ts";
import { CliError } from "../../errors.ts";
import { type JsonVersion, jsonOption } from "../../options.ts";
import { withRepository } from "../../repository.ts";

interface LayerArguments {
  readonly json?: JsonVersion;
  readonly dumpfile?: true;
}

/** `oci layer`: a layer's tar. */
export function addOciLayer(parent: Command, { globals, output }: Context): void {
  parent
    .command("layer")
    .description("write the tar of a layer, its entries as text, or its figures")
    .argument("<diffid>", "digest of the uncompressed layer")
    .addOption(new Option("--dumpfile", "write a composefs-dump(5) line for each entry of the tar").conflicts("json"))
    .addOption(jsonOption("print its size and how it is stored"))
    .action(async (text: string, options: LayerArguments) => {
      const diffId = await digestArgument(text, "<diffid>");
      await withRepository(globals(), async (repository) => {
        const { layerDumpfile, layerTar, summarizeLayer } = await import("@composefs/oci");
        if (options.json) {
          const summary = await summarizeLayer(repository, diffId);
          await output.writeJson(options.json === "v2" ? summaryJson(summary) : summary);
          return;
        }
        if (options.dumpfile) {
          for await (const line of layerDumpfile(repository, diffId)) await output.write(line);
          return;
        }
        if (output.isTerminal) {
          throw new CliError("OUTPUT_TERMINAL", "refusing to write a tar to a terminal", {
            hint: "redirect it, or use --json or --dumpfile",
          });
        }
        for await (const bytes of layerTar(repository, diffId)) await output.write(bytes);
      });
    });
}

function summaryJson({ diffId, verity, size, entryCount, splitstream }: LayerSummary): object {
  const { externalObjects, externalSize, inlineSize } = splitstream;
  return {
    diff_id: diffId,
    verity,
    size,
    entry_count: entryCount,
    splitstream: { external_objects: externalObjects, external_size: externalSize, inline_size: inlineSize },
  };
}
