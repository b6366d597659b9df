import { unlinkSync } from "node:fs";
import { type BytePath, listDirectory, onDisk } from "./byte-path.ts";
import { dangles } from "./link-target.ts";

/** Names this package and the reference give to what they have not finished, by directory beneath the repository. */
const TEMPORARY: readonly { readonly directory: BytePath; readonly name: RegExp; readonly type: string }[] = [
  { directory: "objects", name: /^\.tmp-(?:object-)?[A-Za-z0-9]{12}$/, type: "RegularFile" },
  { directory: ".", name: /^\.(?:tmp|meta\.json)-[A-Za-z0-9]{12}$/, type: "RegularFile" },
  { directory: ".", name: /^\.symlink-[A-Za-z0-9]{12}$/, type: "Symlink" },
];

/**
 * Removes links that lead nowhere and files that an interrupted run left behind; nothing else. The caller holds the
 * exclusive lock: a temporary file may belong to a run under way.
 *
 * @param brokenLinks links that were found to lead nowhere
 * @returns paths removed
 * @throws node:fs errors
 */
export function repair(repositoryFd: number, brokenLinks: readonly BytePath[]): BytePath[] {
  const removed: BytePath[] = [];
  const remove = (path: BytePath): void => {
    unlinkSync(onDisk(repositoryFd, path));
    removed.push(path);
  };
  for (const path of brokenLinks) if (dangles(repositoryFd, path)) remove(path);
  for (const { directory, name, type } of TEMPORARY) {
    for (const item of listDirectory(repositoryFd, directory) ?? []) {
      if (item.type !== type || !name.test(item.name)) continue;
      remove(directory === "." ? item.name : `${directory}/${item.name}`);
    }
  }
  return removed;
}
