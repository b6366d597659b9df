import type { ProgressListener } from "@composefs/oci";
import type { Command } from "commander";
import type { Context } from "../../context.ts";
import { valueOption } from "../../options.ts";
import { createProgress, type ProgressMode } from "../../render/progress.ts";

/** Values of the options of {@link addProgressOptions}. */
export interface ProgressArguments {
  readonly quiet?: true;
  readonly progress?: ProgressMode;
}

/** The options of commands that move whole images. */
export function addProgressOptions(command: Command): Command {
  return command
    .option("-q, --quiet", "show no progress")
    .addOption(valueOption("--progress <how>", "how to show progress (default: auto)", ["auto", "plain", "json"]));
}

/** Runs `work` with a listener that shows its progress on standard error. */
export async function withProgress<Result>(
  { stderr }: Context,
  { progress, quiet }: ProgressArguments,
  work: (onProgress: ProgressListener | undefined) => Promise<Result>,
): Promise<Result> {
  const renderer = await createProgress(stderr, progress ?? "auto", quiet ?? false);
  try {
    return await work(renderer.onProgress);
  } finally {
    renderer.stop();
  }
}
