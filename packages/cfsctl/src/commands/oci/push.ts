import type { BlobSink, ProgressListener } from "@composefs/oci";
import type { Command } from "commander";
import type { Context } from "../../context.ts";
import { jsonOption } from "../../options.ts";
import { type ExportArguments, handOn } from "./hand-on.ts";
import { addProgressOptions } from "./progress-options.ts";

/** `oci push`: an image into a registry. */
export function addOciPush(parent: Command, context: Context): void {
  const command = parent
    .command("push")
    .description("put an image into a registry")
    .argument("<image>", "anything `oci inspect` takes")
    .argument("<destination>", "docker://[HOST[:PORT]/]NAME[:TAG]")
    .addOption(jsonOption("print the result as JSON"));
  addProgressOptions(command).action(async (image: string, destination: string, options: ExportArguments) => {
    const open = async (onProgress: ProgressListener | undefined): Promise<BlobSink> =>
      (await import("@composefs/oci")).openRegistrySink(destination, { onProgress });
    await handOn(context, image, open, options);
  });
}
