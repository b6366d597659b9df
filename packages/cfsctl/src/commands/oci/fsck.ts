import type { Command } from "commander";
import type { Context } from "../../context.ts";
import { type JsonVersion, jsonOption } from "../../options.ts";
import { printable } from "../../render/printable.ts";
import { withRepository } from "../../repository.ts";

interface FsckArguments {
  readonly json?: JsonVersion;
  readonly metadataOnly?: true;
}

/** `oci fsck`: checks images and the repository. */
export function addOciFsck(parent: Command, { globals, output }: Context): void {
  parent
    .command("fsck")
    .description("check the repository and its tagged images; exit status 1 if anything is wrong")
    .argument("[image]", "check this image only, tagged or not, besides the repository")
    .addOption(jsonOption("print the result as JSON"))
    .option("--metadata-only", "leave out the contents of objects")
    .action((image: string | undefined, { json, metadataOnly }: FsckArguments) =>
      withRepository(globals(), async (repository) => {
        const { ComposefsError } = await import("@composefs/core");
        const { fsckImages, ociFsckJson, ociFsckLines } = await import("@composefs/oci");
        const report = await fsckImages(repository, { image, metadataOnly });
        if (json) await output.writeJson(ociFsckJson(report));
        else
          await output.write(
            ociFsckLines(report)
              .map((line) => `${printable(line)}\n`)
              .join(""),
          );
        if (report.ok) return;
        throw new ComposefsError("REPO_CORRUPT", "OCI integrity check failed", {
          details: { findings: report.findings.length + report.repository.findings.length },
        });
      }),
    );
}
