import type { OciImage } from "@composefs/oci";
import { type Command, Option } from "commander";
import type { Context } from "../../context.ts";
import { type JsonVersion, jsonOption } from "../../options.ts";
import { withRepository } from "../../repository.ts";

interface InspectArguments {
  readonly manifest?: true;
  readonly config?: true;
  readonly json?: JsonVersion;
}

/** `oci inspect`: manifest and config of an image. */
export function addOciInspect(parent: Command, { globals, output }: Context): void {
  parent
    .command("inspect")
    .description("show the manifest and config of an image")
    .argument("<image>", "tag, refs/…, @digest of the manifest or config, or at least 8 digits of the manifest's")
    .addOption(new Option("--manifest", "print the manifest's bytes and a line feed").conflicts(["config", "json"]))
    .addOption(new Option("--config", "print the config's bytes and a line feed").conflicts("json"))
    .addOption(jsonOption("print all as JSON, as without options; v2: manifest and config as objects"))
    .action((name: string, options: InspectArguments) =>
      withRepository(globals(), async (repository) => {
        const { openImage } = await import("@composefs/oci");
        const image = await openImage(repository, name);
        if (options.manifest || options.config) {
          await output.write(options.manifest ? image.manifestBytes : image.configBytes);
          await output.write("\n");
          return;
        }
        const document = options.json === "v2" ? parsed : text;
        await output.writeJson(imageJson(image, repository.erofs.default, document));
      }),
    );
}

function text(document: Uint8Array): string {
  return Buffer.from(document).toString("utf8");
}

function parsed(document: Uint8Array): unknown {
  return JSON.parse(text(document));
}

function imageJson(image: OciImage, erofsVersion: number, document: (bytes: Uint8Array) => unknown): object {
  // Key of the repository's EROFS epoch: V0 and V1 share one (oci.md §3.1).
  const suffix = erofsVersion === 2 ? "" : ".v1";
  return {
    manifest: document(image.manifestBytes),
    config: document(image.configBytes),
    referrers: image.referrers,
    composefs_erofs: image.configRefs.get(`composefs.image${suffix}`) ?? null,
    composefs_boot_erofs: image.configRefs.get(`composefs.image.boot${suffix}`) ?? null,
  };
}
