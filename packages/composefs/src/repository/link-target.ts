import { statSync } from "node:fs";
import { posix } from "node:path";
import { type BytePath, linkText, onDisk } from "./byte-path.ts";

/** As many links as the kernel follows. */
const MOST_HOPS = 40;

/**
 * Whether a symlink of the repository leads nowhere, or will once `removed` (paths beneath the repository) are gone. A
 * loop is no dangling link.
 *
 * @throws node:fs errors
 */
export function dangles(repositoryFd: number, link: BytePath, removed: ReadonlySet<BytePath> = new Set()): boolean {
  let path = link;
  for (let hops = 0; hops < MOST_HOPS; hops++) {
    const text = linkText(repositoryFd, path);
    if (text === null) break;
    if (text.startsWith("/")) break;
    path = posix.join(posix.dirname(path), text);
    if (path === ".." || path.startsWith("../")) break;
  }
  return removed.has(path) || !leadsSomewhere(repositoryFd, link);
}

function leadsSomewhere(repositoryFd: number, link: BytePath): boolean {
  try {
    return statSync(onDisk(repositoryFd, link), { throwIfNoEntry: false }) !== undefined;
  } catch (error) {
    // A loop, or a name too long to exist: broken in another way, for fsck to tell.
    if (["ELOOP", "ENAMETOOLONG", "EACCES"].includes((error as NodeJS.ErrnoException).code ?? "")) return true;
    throw error;
  }
}
