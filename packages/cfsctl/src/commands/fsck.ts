import type { FsckReport } from "@composefs/core";
import type { Command } from "commander";
import type { Context } from "../context.ts";
import { lockWait } from "../lock-wait.ts";
import { type JsonVersion, jsonOption, valueOption } from "../options.ts";
import { printable } from "../render/printable.ts";
import { withRepository } from "../repository.ts";

interface FsckArguments {
  readonly json?: JsonVersion;
  readonly metadataOnly?: true;
  readonly repair?: true;
  readonly wait?: string;
}

/** `fsck`: checks a repository. */
export function addFsck(parent: Command, context: Context): void {
  const { globals, output } = context;
  parent
    .command("fsck")
    .description("check objects, streams, images and refs; exit status 1 if anything is wrong")
    .addOption(jsonOption("print the result as JSON"))
    .option("--metadata-only", "leave out the contents of objects")
    .option("--repair", "remove broken links and leftover temporary files")
    .addOption(valueOption("--wait <seconds>", "with --repair: wait at most so long until nobody uses the repository"))
    .action((options: FsckArguments) => {
      const wait = lockWait(options.wait, context);
      const { json, metadataOnly, repair = false } = options;
      return withRepository(globals(), async (repository) => {
        const { ComposefsError, fsckJson, fsckLines } = await import("@composefs/core/repository");
        const report = await repository.fsck({ metadataOnly, repair, ...wait });
        if (json) await output.writeJson(fsckJson(report));
        else
          await output.write(
            fsckLines(report)
              .map((line) => `${printable(line)}\n`)
              .join(""),
          );
        if (report.ok) return;
        throw new ComposefsError("REPO_CORRUPT", "repository integrity check failed", {
          details: { findings: report.findings.length },
          hint: repairHint(report),
        });
      });
    });
}

/** What helps against what was found. */
function repairHint({ findings, repaired }: FsckReport): string {
  const kinds = new Set(findings.map(({ kind }) => kind));
  const has = (...some: readonly FsckReport["findings"][number]["kind"][]): boolean =>
    some.some((kind) => kinds.has(kind));
  const objects = has("object-digest-mismatch", "object-verity-missing", "object-verity-failed", "object-open-failed");
  const steps = [
    ...(objects ? ["remove the damaged objects"] : []),
    ...(has("object-invalid-name", "entry-not-symlink", "unexpected-file-type")
      ? ["remove what has no place there"]
      : []),
    ...(has("broken-symlink") && repaired.length === 0 ? ["`fsck --repair` removes broken links"] : []),
  ];
  return [...steps, "pull or import again what is damaged or missing"].join("; then ");
}
