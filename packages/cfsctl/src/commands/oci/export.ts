import type { BlobSink } from "@composefs/oci";
import type { Command } from "commander";
import type { Context } from "../../context.ts";
import { withRepository } from "../../repository.ts";
import { exportJson, exportText } from "./export-result.ts";
import { addProgressOptions, type ProgressArguments, withProgress } from "./progress-options.ts";

/** Options of `oci export` and `oci push`. */
export interface ExportArguments extends ProgressArguments {
  readonly json?: true;
}

/** `oci export`: an image as an OCI layout. */
export function addOciExport(parent: Command, context: Context): void {
  const command = parent
    .command("export")
    .description("write an image as an OCI layout that other tools read")
    .argument("<image>", "anything `oci inspect` takes")
    .argument("<destination>", "oci:DIR[:TAG], made or added to, or oci-archive:FILE[:TAG], replaced")
    .option("--json", "print the result as JSON");
  addProgressOptions(command).action(async (image: string, destination: string, options: ExportArguments) => {
    const open = async (): Promise<BlobSink> => (await import("@composefs/oci")).openLayoutSink(destination);
    await handOn(context, image, open, options);
  });
}

/** Hands an image of the repository to a sink and prints what came of it. */
export async function handOn(
  context: Context,
  image: string,
  openSink: () => Promise<BlobSink>,
  options: ExportArguments,
): Promise<void> {
  await withRepository(context.globals(), async (repository) => {
    const { exportImage, resolveImage } = await import("@composefs/oci");
    // A name that means nothing shows before anything is made at the destination.
    await resolveImage(repository, image);
    const sink = await openSink();
    try {
      const result = await withProgress(context, options, (onProgress) =>
        exportImage(repository, image, sink, { onProgress }),
      );
      if (options.json) await context.output.writeJson(exportJson(result));
      else await context.output.write(exportText(result));
    } finally {
      await sink.close();
    }
  });
}
