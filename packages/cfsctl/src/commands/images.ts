import type { ImageRef } from "@composefs/core";
import type { Command } from "commander";
import type { Context } from "../context.ts";
import { type JsonVersion, jsonOption } from "../options.ts";
import { refName } from "../ref-name.ts";
import { printable } from "../render/printable.ts";
import { formatTable } from "../render/table.ts";
import { withRepository } from "../repository.ts";

/** Digits of a digest in the table. */
const SHORT_DIGITS = 12;

interface ImagesArguments {
  readonly json?: JsonVersion;
  readonly trunc: boolean;
}

/** `images`: refs to images; `images rm` removes one. */
export function addImages(parent: Command, context: Context): void {
  const { globals, output } = context;
  const command = parent
    .command("images")
    .alias("list-images")
    .description("list the named images, or remove a name")
    .addOption(jsonOption("print them as JSON"))
    .option("--no-trunc", "show digests in full")
    .action((options: ImagesArguments) =>
      withRepository(globals(), async (repository) => {
        const images = repository.listImages();
        const list = images.map(({ name, id }) => ({ name, digest: id }));
        if (options.json) await output.writeJson(options.json === "v2" ? list : { images: list });
        else if (images.length === 0) await output.write("No images found\n");
        else
          await output.write(
            formatTable(
              ["NAME", "DIGEST"],
              images.map((image) => tableRow(image, options)),
            ),
          );
      }),
    );
  addImagesRm(command, context);
}

function addImagesRm(parent: Command, { globals, output }: Context): void {
  parent
    .command("rm")
    .description("remove the name of an image; its data stays until garbage collection")
    .argument("<name>", "the name, with or without refs/ before it")
    .action((name: string) =>
      withRepository(globals(), async (repository) => {
        repository.ensureWritable();
        repository.deleteRef("images", refName(name));
        await output.write(`Removed image name ${printable(refName(name))}\n`);
      }),
    );
}

function tableRow({ name, id }: ImageRef, { trunc }: ImagesArguments): string[] {
  return [name, trunc ? id.slice(0, SHORT_DIGITS) : id];
}
