import type { PullResult } from "@composefs/oci";
import { type Command, Option } from "commander";
import type { Context } from "../../context.ts";
import { chosenVersion } from "../../image-format.ts";
import { interruptible } from "../../interrupt.ts";
import { type JsonVersion, jsonOption, valueOption } from "../../options.ts";
import { printable } from "../../render/printable.ts";
import { withRepository } from "../../repository.ts";
import { addProgressOptions, type ProgressArguments, withProgress } from "./progress-options.ts";
import { pullResultJson } from "./pull-result.ts";

interface CopyArguments extends ProgressArguments {
  readonly from: string;
  readonly name?: string;
  readonly zeroCopy?: true;
  readonly zerocopy?: true;
  readonly json?: JsonVersion;
}

/** `oci copy`: an image from another repository. */
export function addOciCopy(parent: Command, context: Context): void {
  const command = parent
    .command("copy")
    .description("copy an image from another repository, sharing its objects where the file systems can")
    .argument("<image>", "image of the other repository: anything `oci inspect` takes")
    .addOption(valueOption("--from <repo>", "the other repository").makeOptionMandatory())
    .addOption(valueOption("--name <tag>", "tag to give it (default: the one it has there)"))
    .option("--zero-copy", "clone or link objects, refuse rather than copy them, before anything is written")
    .addOption(new Option("--zerocopy", "as --zero-copy").hideHelp())
    .addOption(jsonOption("print the result as JSON"));
  addProgressOptions(command).action((image: string, options: CopyArguments) =>
    withRepository(context.globals(), async (destination) => {
      const [{ Repository }, { copyImage }] = await Promise.all([import("@composefs/core"), import("@composefs/oci")]);
      const source = await Repository.open(options.from, { upgrade: context.globals().upgrade });
      let result: PullResult;
      try {
        result = await withProgress(context, options, (onProgress) =>
          interruptible((signal) =>
            copyImage(destination, source, image, {
              tag: options.name,
              zeroCopy: options.zeroCopy ?? options.zerocopy ?? false,
              erofsVersion: chosenVersion(context.globals()),
              onProgress,
              signal,
            }),
          ),
        );
      } finally {
        await source.close();
      }
      if (options.json) await context.output.writeJson(pullResultJson(result, destination.erofs));
      else await context.output.write(copyText(image, options.from, result));
    }),
  );
}

function copyText(image: string, from: string, result: PullResult): string {
  const tagged = result.tag === null ? "" : `, tagged as ${printable(result.tag)}`;
  return [
    `Copied image ${printable(image)} from ${printable(from)} to destination repo${tagged}`,
    `Manifest digest: ${result.manifestDigest}`,
    `Manifest verity: ${result.manifestId}`,
    `Config digest:   ${result.configDigest}`,
    `Config verity:   ${result.configId}`,
    ...(result.referrers.length === 0 ? [] : [`Referrers:       ${result.referrers.length}`]),
    "",
  ].join("\n");
}
