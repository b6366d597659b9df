import type { HashName } from "@composefs/reflink";
import { ComposefsError } from "../errors.ts";
import { bytePath } from "./byte-path.ts";
import type { CategoryLinks } from "./category-links.ts";
import type { ExtraRoot } from "./gc-mark.ts";
import { resolveImageEntry } from "./image-name.ts";
import type { Category } from "./names.ts";
import { readRef } from "./refs.ts";
import { resolveStreamEntry } from "./stream-name.ts";

/**
 * Entries that `name` means as a root of garbage collection: the first-level entries of that name in either category;
 * else what it means as a ref of either, or as the id of an image or stream.
 *
 * @throws ComposefsError `REF_NOT_FOUND` it means nothing: a mistyped root must not cost data; `REF_AMBIGUOUS`
 */
export function resolveRoot(
  repositoryFd: number,
  hash: HashName,
  categories: Readonly<Record<Category, CategoryLinks>>,
  name: string,
): ExtraRoot[] {
  const roots: ExtraRoot[] = [];
  const entry = bytePath(name);
  for (const category of ["images", "streams"] as const) {
    if (categories[category].entries.some(({ path }) => path === `${category}/${entry}`))
      roots.push({ category, entry });
  }
  if (roots.length > 0) return roots;
  const ref = name.startsWith("refs/") ? name.slice("refs/".length) : name;
  for (const category of ["images", "streams"] as const) {
    const target = isRefName(ref) ? readRef(repositoryFd, category, ref) : null;
    if (target !== null) roots.push({ category, entry: bytePath(target) });
  }
  if (roots.length > 0) return roots;
  // A name of another form, such as @sha256:…, is for the caller to try.
  const image = isRefName(ref) ? resolveImageEntry(repositoryFd, hash, name) : null;
  if (image !== null) return [{ category: "images", entry: bytePath(image) }];
  const stream = isRefName(ref) ? resolveStreamEntry(repositoryFd, hash, name) : null;
  if (stream !== null) return [{ category: "streams", entry: bytePath(stream) }];
  throw new ComposefsError("REF_NOT_FOUND", `root '${name}' names no image, stream or ref`, {
    details: { name },
    hint: "nothing was removed; `cfsctl images` and `cfsctl streams ls` list the names there are",
  });
}

function isRefName(name: string): boolean {
  return name.split("/").every((part) => part !== "" && part !== "." && part !== ".." && !part.includes("\0"));
}
