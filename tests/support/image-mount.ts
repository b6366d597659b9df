import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ObjectId, Repository } from "@composefs/core";
import type { PlainEntry } from "../../packages/composefs/test/support/plain-tree.ts";
import { runBytes, succeeds } from "./run.ts";

/** Mounts an image of an open repository on a new directory, hands that to `use`, and takes both away again. */
export async function withMountedImage<Result>(
  repository: Repository,
  id: ObjectId,
  use: (root: string) => Result,
): Promise<Result> {
  return withMountPoint(async (point) => {
    await using detached = await repository.mount(id);
    await detached.attach(point);
    return use(point);
  });
}

/** A new directory for something to be mounted on, unmounted and removed when `use` is done. */
export async function withMountPoint<Result>(use: (point: string) => Promise<Result>): Promise<Result> {
  const base = mkdtempSync(join(tmpdir(), "cfs-image-"));
  const point = join(base, "mnt");
  mkdirSync(point);
  try {
    return await use(point);
  } finally {
    // What is still mounted makes the removal fail; what never was is no matter.
    succeeds("umount", ["--recursive", point]);
    rmSync(base, { recursive: true });
  }
}

/**
 * SHA-256 of the content of each regular file beneath a directory, by path: with coreutils, which share nothing with us.
 */
export function contentSums(root: string): Record<string, string> {
  const script = 'cd "$1" && find . -type f -print0 | xargs -0 --no-run-if-empty sha256sum --zero --';
  const sums = runBytes("bash", ["-c", `set -o pipefail; ${script}`, "bash", root])
    .toString("latin1")
    .split("\0");
  const pairs = sums.filter((line) => line !== "").map((line) => [line.slice(66), line.slice(0, 64)] as const);
  return Object.fromEntries(pairs.sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** Which extended attributes an image keeps (oci.md §4.3). */
export type KeptXattrs = (name: string) => boolean;

/**
 * What an image of a container's tree shows, from what the container tool shows of it (oci.md §4.3): the root has the
 * metadata of `/usr`, `/run` is empty and has its time, and only some extended attributes remain.
 */
export function asImageShows(entries: readonly PlainEntry[], keeps: KeptXattrs): PlainEntry[] {
  const usr = entries.find(({ path }) => path === "/usr");
  if (usr === undefined) throw new Error("the tree has no /usr");
  return entries
    .filter(({ path }) => !path.startsWith("/run/"))
    .map((entry) => {
      if (entry.path === "/") return { ...entry, stat: usr.stat };
      if (entry.path === "/run") return { ...entry, stat: { ...entry.stat, mtime: usr.stat.mtime } };
      return entry;
    })
    .map((entry) => ({ ...entry, stat: { ...entry.stat, xattrs: kept(entry.stat.xattrs, keeps) } }));
}

function kept(xattrs: unknown, keeps: KeptXattrs): Record<string, unknown> {
  return Object.fromEntries(Object.entries(xattrs as Record<string, unknown>).filter(([name]) => keeps(name)));
}
