import type { ImageSummary } from "@composefs/oci";
import type { Command } from "commander";
import type { Context } from "../../context.ts";
import { type JsonVersion, jsonOption } from "../../options.ts";
import { formatError } from "../../render/error.ts";
import { printable } from "../../render/printable.ts";
import { formatTable } from "../../render/table.ts";
import { withRepository } from "../../repository.ts";

/** Digits of a digest in the table. */
const SHORT_DIGITS = 12;

/** `oci images`: what is tagged. */
export function addOciImages(parent: Command, { globals, output, stderr }: Context): void {
  parent
    .command("images")
    .description("list the tagged images")
    .addOption(jsonOption("print them as JSON"))
    .action((options: { readonly json?: JsonVersion }) =>
      withRepository(globals(), async (repository) => {
        const { listImages } = await import("@composefs/oci");
        const { images, broken } = await listImages(repository);
        for (const { name, error } of broken)
          stderr.write(`Cannot open image ${printable(name)}: ${formatError(error)}`);
        const list = images.map(imageJson);
        if (options.json) await output.writeJson(options.json === "v2" ? list : { images: list });
        else if (images.length === 0) await output.write("No images found\n");
        else await output.write(formatTable(["NAME", "DIGEST", "ARCH", "LAYERS", "REFS"], images.map(tableRow)));
      }),
    );
}

function tableRow({ name, manifestDigest, kind, architecture, layers, referrers }: ImageSummary): string[] {
  const hex = manifestDigest.slice(manifestDigest.indexOf(":") + 1);
  const arch = kind === "artifact" ? "artifact" : architecture;
  return [name, hex.slice(0, SHORT_DIGITS), arch, `${layers}`, `${referrers}`];
}

function imageJson(image: ImageSummary): object {
  return {
    name: image.name,
    manifest_digest: image.manifestDigest,
    is_container: image.kind === "container",
    architecture: image.architecture,
    os: image.os,
    created: image.created,
    layer_count: image.layers,
    referrer_count: image.referrers,
  };
}
