import { closeSync, lstatSync, rmdirSync, unlinkSync } from "node:fs";
import { setImmediate as nextTurn } from "node:timers/promises";
import { type HashName, syncfs } from "@composefs/reflink";
import { ComposefsError } from "../errors.ts";
import { type ObjectId, objectIds, objectPath } from "../fsverity/object-id.ts";
import { type BytePath, bytePath, compareBytes, listDirectory, onDisk, shownPath, typeAt } from "./byte-path.ts";
import { type CategoryLinks, readCategory } from "./category-links.ts";
import { hasCode } from "./directory.ts";
import { type Finding, finding } from "./finding.ts";
import { type DependsOn, type Holder, type MarkContext, type Marks, markLive } from "./gc-mark.ts";
import { resolveRoot } from "./gc-roots.ts";
import { dangles } from "./link-target.ts";
import type { Category } from "./names.ts";
import { listStoredObjects, openObjects, type StoredObjects } from "./object-files.ts";

/** How to collect. */
export interface GcOptions {
  /** Names to keep besides the refs: entries, refs, image ids. */
  readonly roots?: readonly string[] | undefined;
  /** Say what would go, and remove nothing; default false. */
  readonly dryRun?: boolean | undefined;
  /**
   * Says which entry of `streams/` a ref depends on, given the ref's name beneath `streams/refs/`; by default none does. Such
   * a ref keeps nothing unless that entry is kept.
   */
  readonly dependsOn?: DependsOn | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** An object that went. */
export interface RemovedObject {
  readonly id: ObjectId;
  readonly sizeBytes: number;
}

/** What a collection removed, or in a dry run would have. */
export interface GcResult {
  readonly dryRun: boolean;
  readonly objectsRemoved: number;
  readonly bytesRemoved: number;
  /** Links removed in `images/`, refs included. */
  readonly imagesPruned: number;
  /** Links removed in `streams/`, refs included. */
  readonly streamsPruned: number;
  /** The objects, sorted by id. */
  readonly removed: readonly RemovedObject[];
  /** The links, as paths beneath the repository, sorted bytewise. */
  readonly pruned: readonly string[];
  /** What was wrong and therefore kept or left alone, in the words of fsck; the run did not do all if there is any. */
  readonly problems: readonly Finding[];
}

/** One name on the way from a root to an object. */
export interface ChainLink {
  /** Path beneath the repository. */
  readonly name: string;
  /** Named reference by which the name before refers to this one. */
  readonly via?: string;
}

interface Plan {
  readonly dead: readonly RemovedObject[];
  readonly prunedRefs: readonly BytePath[];
  readonly prunedEntries: readonly BytePath[];
  readonly problems: readonly Finding[];
}

/**
 * Removes the objects that no root keeps alive, the names that then dangle (repository.md §5), and the directories of refs
 * that this leaves empty. Everything is decided before anything goes. Names go first, then their objects: a run killed in
 * between leaves objects without a name, which the next one takes, and never a name whose objects are half gone.
 *
 * The caller holds the repository's exclusive lock, for a dry run the shared one.
 *
 * @throws ComposefsError `REF_NOT_FOUND`, `REF_AMBIGUOUS` a root names nothing; `REPO_CORRUPT` the refs cannot be listed;
 *   node:fs errors. Nothing has been removed then, unless removing itself failed
 */
export async function collectGarbage(context: MarkContext, options: GcOptions = {}): Promise<GcResult> {
  const categories = readNames(context.repositoryFd);
  const roots = (options.roots ?? []).flatMap((name) =>
    resolveRoot(context.repositoryFd, context.hash, categories, name),
  );
  const objects = await readObjects(context);
  const marks = await markLive({ ...context, signal: options.signal }, categories, objects, roots, options.dependsOn);
  const plan = makePlan(context.repositoryFd, context.hash, categories, objects, marks);
  if (!options.dryRun) await carryOut(context.repositoryFd, plan, options.signal);

  const pruned = [...plan.prunedRefs, ...plan.prunedEntries].sort(compareBytes);
  const count = (category: Category): number => pruned.filter((path) => path.startsWith(`${category}/`)).length;
  return {
    dryRun: options.dryRun ?? false,
    objectsRemoved: plan.dead.length,
    bytesRemoved: plan.dead.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0),
    imagesPruned: count("images"),
    streamsPruned: count("streams"),
    removed: plan.dead,
    pruned: pruned.map(shownPath),
    problems: plan.problems,
  };
}

/**
 * Why an object is kept: the names from a root to it, the object's own path last; null when nothing keeps it.
 *
 * @throws as {@link collectGarbage}
 */
export async function explainObject(
  context: MarkContext,
  id: ObjectId,
  options: Omit<GcOptions, "dryRun"> = {},
): Promise<ChainLink[] | null> {
  const categories = readNames(context.repositoryFd);
  const roots = (options.roots ?? []).flatMap((name) =>
    resolveRoot(context.repositoryFd, context.hash, categories, name),
  );
  const objects = await readObjects(context);
  const marks = await markLive({ ...context, signal: options.signal }, categories, objects, roots, options.dependsOn);
  const path = `objects/${objectPath(id)}`;
  const chain: ChainLink[] = [];
  for (let at: Holder | null = marks.live.get(id) ?? null; at !== null; at = at.by) {
    if (chain.length === 0 && at.name !== path) chain.push({ name: path });
    chain.push(at.via === undefined ? { name: at.name } : { name: at.name, via: at.via });
  }
  return chain.length === 0 ? null : chain.reverse();
}

function readNames(repositoryFd: number): Record<Category, CategoryLinks> {
  const categories = {
    images: readCategory(repositoryFd, "images"),
    streams: readCategory(repositoryFd, "streams"),
  };
  const objects = typeAt(repositoryFd, "objects");
  if (objects !== null && listDirectory(repositoryFd, "objects") === null) {
    throw new ComposefsError("REPO_CORRUPT", `objects is no directory (${objects})`, {
      details: { path: "objects", type: objects },
      hint: "nothing was removed; put the directory back, or remove what stands in its place",
    });
  }
  for (const category of ["images", "streams"] as const) {
    const lost = categories[category].entryStrays.find(({ path }) => path === category || path === `${category}/refs`);
    if (lost === undefined) continue;
    throw new ComposefsError("REPO_CORRUPT", `${lost.path} is no directory (${lost.type}): its refs cannot be listed`, {
      details: { path: lost.path, type: lost.type },
      hint: "nothing was removed; put the directory back, or remove what stands in its place",
    });
  }
  return categories;
}

async function readObjects({ repositoryFd, hash }: MarkContext): Promise<StoredObjects> {
  const directory = openObjects(repositoryFd);
  if (directory === null) return { digests: Buffer.alloc(0), others: [] };
  try {
    return await listStoredObjects(repositoryFd, directory, hash);
  } finally {
    closeSync(directory);
  }
}

function makePlan(
  repositoryFd: number,
  hash: HashName,
  categories: Readonly<Record<Category, CategoryLinks>>,
  { digests, others }: StoredObjects,
  marks: Marks,
): Plan {
  const dead: RemovedObject[] = [];
  const deadPaths = new Set<BytePath>();
  const problems = [...marks.problems];
  for (const { path, type, problem } of others) {
    if (problem !== null) problems.push(finding("object-invalid-name", path, problem));
    else problems.push(finding("unexpected-file-type", path, type));
  }
  for (const id of marks.keepAll ? [] : objectIds(digests, hash)) {
    if (marks.live.has(id)) continue;
    const path = `objects/${objectPath(id)}`;
    dead.push({ id, sizeBytes: lstatSync(onDisk(repositoryFd, path)).size });
    deadPaths.add(path);
  }
  const goes = ({ path }: { readonly path: BytePath }): boolean =>
    !marks.keptNames.has(path) && dangles(repositoryFd, path, deadPaths);
  const both = [categories.images, categories.streams];
  return {
    dead,
    prunedRefs: both.flatMap(({ refs }) => refs.filter(goes).map(({ path }) => path)),
    prunedEntries: both.flatMap(({ entries }) => entries.filter(goes).map(({ path }) => path)),
    problems,
  };
}

async function carryOut(repositoryFd: number, plan: Plan, signal: AbortSignal | undefined): Promise<void> {
  for (const path of [...plan.prunedRefs, ...plan.prunedEntries]) removeFile(repositoryFd, path);
  for (const path of plan.prunedRefs) removeEmptyDirectories(repositoryFd, path);
  // After a loss of power, too, no name may be left whose objects are gone.
  if (plan.prunedEntries.length > 0) await syncfs(repositoryFd);
  const BATCH = 256;
  for (const [i, { id }] of plan.dead.entries()) {
    if (i % BATCH === 0) {
      signal?.throwIfAborted();
      await nextTurn();
    }
    removeFile(repositoryFd, bytePath(`objects/${objectPath(id)}`));
  }
}

function removeFile(repositoryFd: number, path: BytePath): void {
  try {
    unlinkSync(onDisk(repositoryFd, path));
  } catch (error) {
    if (!hasCode(error, "ENOENT")) throw error; // ENOENT: gone is what was wanted
  }
}

/** Removes the directories of a ref that is gone, from the innermost on, as far as nothing else is in them. */
function removeEmptyDirectories(repositoryFd: number, ref: BytePath): void {
  const components = ref.split("/");
  // What stays: the category and its refs/.
  for (let depth = components.length - 1; depth > 2; depth--) {
    try {
      rmdirSync(onDisk(repositoryFd, components.slice(0, depth).join("/")));
    } catch (error) {
      // ENOENT: gone with another ref. One that cannot go, mostly as it is not empty, does no harm.
      if (!hasCode(error, "ENOENT")) return;
    }
  }
}
