import type { ChainLink, GcOptions, GcResult, LockWait, Repository } from "@composefs/core";
import { type Command, Option } from "commander";
import type { Context } from "../context.ts";
import { lockWait } from "../lock-wait.ts";
import { valueOption } from "../options.ts";
import { printable } from "../render/printable.ts";
import { withRepository } from "../repository.ts";

interface GcArguments {
  readonly root?: readonly string[];
  readonly dryRun?: true;
  readonly why?: string;
  readonly wait?: string;
}

/** `gc`: removes what nothing refers to. */
export function addGc(parent: Command, context: Context): void {
  parent
    .command("gc")
    .description("remove the objects, and their names, that no image, tag or other ref keeps")
    .addOption(
      new Option("-r, --root <name>", "keep this image or stream, too; may be given several times").argParser(
        (value: string, previous: readonly string[] | undefined) => [...(previous ?? []), value],
      ),
    )
    .addOption(new Option("-n, --dry-run", "say what would go, and remove nothing").conflicts("why"))
    .addOption(valueOption("--why <id>", "say what keeps an object, and remove nothing"))
    .addOption(
      valueOption("--wait <seconds>", "wait at most so long until nobody uses the repository").conflicts("why"),
    )
    .action((options: GcArguments) => {
      const wait = lockWait(options.wait, context);
      return withRepository(context.globals(), async (repository) => {
        if (options.why !== undefined) await why(repository, options.why, options, context);
        else await collect(repository, options, wait, context);
      });
    });
}

async function collect(
  repository: Repository,
  { root = [], dryRun }: GcArguments,
  wait: LockWait,
  context: Context,
): Promise<void> {
  const dependsOn = await referrersWithImages(repository);
  const result = await withTags(repository, root, (roots) =>
    repository.gc({ roots, dependsOn, dryRun: dryRun ?? false, ...wait }),
  );
  await context.output.write(resultText(result));
  if (result.problems.length === 0) return;
  const { ComposefsError, findingText } = await import("@composefs/core/repository");
  for (const problem of result.problems) context.stderr.write(`${printable(findingText(problem, "gc"))}\n`);
  throw new ComposefsError("REPO_CORRUPT", `${result.problems.length} problem(s), and what they may concern was kept`, {
    details: { problems: result.problems },
    hint: "`cfsctl fsck` looks closer; what is named above can be removed by hand",
  });
}

function resultText({ dryRun, objectsRemoved, bytesRemoved, imagesPruned, streamsPruned, ...names }: GcResult): string {
  const lines = [
    ...(dryRun ? ["Dry run (no files deleted):"] : []),
    `Objects: ${objectsRemoved} removed (${bytesRemoved} bytes)`,
  ];
  if (imagesPruned + streamsPruned > 0) {
    lines.push(`Pruned symlinks: ${imagesPruned} images, ${streamsPruned} streams`);
  }
  if (dryRun) {
    for (const path of names.pruned) lines.push(`  ${printable(path)}`);
    for (const { id, sizeBytes } of names.removed) lines.push(`  object ${id} (${sizeBytes} bytes)`);
  }
  return `${lines.join("\n")}\n`;
}

async function why(
  repository: Repository,
  name: string,
  { root = [] }: GcArguments,
  { output }: Context,
): Promise<void> {
  const id = repository.resolveObject(name);
  const dependsOn = await referrersWithImages(repository);
  const chain = await withTags(repository, root, (roots) => repository.why(id, { roots, dependsOn }));
  await output.write(chain === null ? `Nothing keeps object ${id}\n` : chain.map(chainLine).join(""));
}

function chainLine({ name, via }: ChainLink, depth: number): string {
  return `${"  ".repeat(depth)}${printable(name)}${via === undefined ? "" : ` (as ${printable(via)})`}\n`;
}

/** Lets artifacts go with the images that they are about. Nothing of OCI is loaded where there are none. */
async function referrersWithImages(repository: Repository): Promise<GcOptions["dependsOn"]> {
  if (repository.listRefs("streams", "oci-referrers").length === 0) return undefined;
  return (await import("@composefs/oci")).imageOfReferrer;
}

/**
 * Runs `work` with the roots, those that are names of OCI images replaced by their manifests: the one resolver of
 * cli.md D10 is asked for what the repository itself does not know.
 */
async function withTags<Result>(
  repository: Repository,
  names: readonly string[],
  work: (roots: NonNullable<GcOptions["roots"]>) => Promise<Result>,
): Promise<Result> {
  let roots = names;
  for (;;) {
    try {
      return await work(roots);
    } catch (error) {
      const unknown = unknownRoot(error);
      if (unknown === null || !roots.includes(unknown)) throw error;
      const { contentId, OciError, resolveImage } = await import("@composefs/oci");
      try {
        const entry = contentId("manifest", await resolveImage(repository, unknown));
        if (entry === unknown) throw error;
        roots = roots.map((root) => (root === unknown ? entry : root));
      } catch (cause) {
        throw cause instanceof OciError && cause.code !== "REF_AMBIGUOUS" ? error : cause;
      }
    }
  }
}

function unknownRoot(error: unknown): string | null {
  const { code, details } = error as { readonly code?: unknown; readonly details?: { readonly name?: unknown } };
  return code === "REF_NOT_FOUND" && typeof details?.name === "string" ? details.name : null;
}
