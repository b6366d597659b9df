import type { OciImage } from "@composefs/oci";
import { type Command, Option } from "commander";
import type { Context } from "../../context.ts";
import { withRepository } from "../../repository.ts";

interface InspectArguments {
  readonly manifest?: true;
  readonly config?: true;
}

/** `oci inspect`: manifest and config of an image. */
export function addOciInspect(parent: Command, { globals, output }: Context): void {
  parent
    .command("inspect")
    .description("show the manifest and config of an image")
    .argument("<image>", "tag, refs/…, @digest of the manifest or config, or at least 8 digits of the manifest's")
    .addOption(new Option("--manifest", "print the manifest's bytes and a line feed").conflicts("config"))
    .addOption(new Option("--config", "print the config's bytes and a line feed"))
    .action((name: string, options: InspectArguments) =>
      withRepository(globals(), async (repository) => {
        const { openImage } = await import("@composefs/oci");
        const image = await openImage(repository, name);
        if (options.manifest || options.config) {
          await output.write(options.manifest ? image.manifestBytes : image.configBytes);
          await output.write("\n");
          return;
        }
        await output.writeJson(imageJson(image, repository.erofs.default));
      }),
    );
}

function imageJson(image: OciImage, erofsVersion: number): object {
  // Key of the repository's EROFS epoch: V0 and V1 share one (oci.md §3.1).
  const suffix = erofsVersion === 2 ? "" : ".v1";
  return {
    manifest: Buffer.from(image.manifestBytes).toString("utf8"),
    config: Buffer.from(image.configBytes).toString("utf8"),
    referrers: image.referrers,
    composefs_erofs: image.configRefs.get(`composefs.image${suffix}`) ?? null,
    composefs_boot_erofs: image.configRefs.get(`composefs.image.boot${suffix}`) ?? null,
  };
}
