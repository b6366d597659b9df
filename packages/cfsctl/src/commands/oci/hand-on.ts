import type { BlobSink, ProgressListener } from "@composefs/oci";
import type { Context } from "../../context.ts";
import { interruptible } from "../../interrupt.ts";
import type { JsonVersion } from "../../options.ts";
import { withRepository } from "../../repository.ts";
import { exportJson, exportText } from "./export-result.ts";
import { type ProgressArguments, withProgress } from "./progress-options.ts";

/** Options of `oci export` and `oci push`. */
export interface ExportArguments extends ProgressArguments {
  readonly json?: JsonVersion;
}

/** Hands an image of the repository to a sink and prints what came of it. */
export async function handOn(
  context: Context,
  image: string,
  openSink: (onProgress: ProgressListener | undefined) => Promise<BlobSink>,
  options: ExportArguments,
): Promise<void> {
  await withRepository(context.globals(), async (repository) => {
    const { exportImage, resolveImage } = await import("@composefs/oci");
    // A name that means nothing shows before anything is made at the destination.
    await resolveImage(repository, image);
    const result = await withProgress(context, options, (onProgress) =>
      interruptible(async (signal) => {
        const sink = await openSink(onProgress);
        try {
          return await exportImage(repository, image, sink, { signal, onProgress });
        } finally {
          await sink.close();
        }
      }),
    );
    if (options.json) await context.output.writeJson(exportJson(result));
    else await context.output.write(exportText(result));
  });
}
