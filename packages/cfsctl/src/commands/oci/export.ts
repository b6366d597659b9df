import type { BlobSink } from "@composefs/oci";
import type { Command } from "commander";
import type { Context } from "../../context.ts";
import { jsonOption } from "../../options.ts";
import { type ExportArguments, handOn } from "./hand-on.ts";
import { addProgressOptions } from "./progress-options.ts";

/** `oci export`: an image as an OCI layout. */
export function addOciExport(parent: Command, context: Context): void {
  const command = parent
    .command("export")
    .description("write an image as an OCI layout that other tools read")
    .argument("<image>", "anything `oci inspect` takes")
    .argument("<destination>", "oci:DIR[:TAG], made or added to, or oci-archive:FILE[:TAG], replaced")
    .addOption(jsonOption("print the result as JSON"));
  addProgressOptions(command).action(async (image: string, destination: string, options: ExportArguments) => {
    const open = async (): Promise<BlobSink> => (await import("@composefs/oci")).openLayoutSink(destination);
    await handOn(context, image, open, options);
  });
}
