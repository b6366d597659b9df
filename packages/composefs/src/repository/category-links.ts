import { type BytePath, compareBytes, type FileType, linkText, listDirectory, typeAt } from "./byte-path.ts";
import type { Category } from "./names.ts";

/** A symlink of a category. */
export interface NamedLink {
  /** Path beneath the repository: `streams/…`, `images/refs/…`. */
  readonly path: BytePath;
  /** Where it says it points to. */
  readonly text: BytePath;
}

/** Something in a category that is no symlink and has no business there. */
interface Stray {
  readonly path: BytePath;
  readonly type: FileType;
}

/** Everything in `images/` or `streams/`, sorted bytewise by path. */
export interface CategoryLinks {
  /** First-level entries. */
  readonly entries: readonly NamedLink[];
  /** Also the category itself, or its `refs`, where that is no directory. */
  readonly entryStrays: readonly Stray[];
  /** Refs, at any depth. */
  readonly refs: readonly NamedLink[];
  readonly refStrays: readonly Stray[];
}

/** Reads the names of a category. @throws node:fs errors: a part that cannot be read leaves nothing to rely on */
export function readCategory(repositoryFd: number, category: Category): CategoryLinks {
  const entries: NamedLink[] = [];
  const entryStrays: Stray[] = [];
  const refs: NamedLink[] = [];
  const refStrays: Stray[] = [];
  const link = (path: BytePath): NamedLink => ({ path, text: linkText(repositoryFd, path) ?? "" });

  const walkRefs = (directory: BytePath): boolean => {
    const items = listDirectory(repositoryFd, directory);
    for (const { name, type } of items ?? []) {
      const path = `${directory}/${name}`;
      if (type === "Symlink") refs.push(link(path));
      else if (type === "Directory") walkRefs(path);
      else refStrays.push({ path, type });
    }
    return items !== null;
  };

  const top = listDirectory(repositoryFd, category);
  if (top === null) {
    const type = typeAt(repositoryFd, category);
    if (type !== null) entryStrays.push({ path: category, type });
  }
  for (const { name, type } of top ?? []) {
    const path = `${category}/${name}`;
    if (name === "refs" && walkRefs(path)) continue;
    if (type === "Symlink" && name !== "refs") entries.push(link(path));
    else entryStrays.push({ path, type });
  }
  const byPath = (a: { path: BytePath }, b: { path: BytePath }): number => compareBytes(a.path, b.path);
  return { entries, entryStrays, refs: refs.sort(byPath), refStrays: refStrays.sort(byPath) };
}

/** Last component of a ref's text: the first-level entry it means (repository.md §1); null for `..` and the like. */
export function entryOfText(text: BytePath): BytePath | null {
  const entry = text.slice(text.lastIndexOf("/") + 1);
  return entry === "" || entry === "." || entry === ".." ? null : entry;
}
