import { ComposefsError } from "../errors.ts";
import type { ByteString, Directory } from "./node.ts";
import { isDirectory, kindWords } from "./node.ts";

/** A directory of the root such as `usr`, or undefined. @throws ComposefsError `TREE_INVALID` not a directory */
export function findTopDirectory(root: Directory, name: string): Directory | undefined {
  const node = root.entries.get(name as ByteString);
  if (node === undefined || isDirectory(node)) return node;
  throw new ComposefsError("TREE_INVALID", `/${name}: expected a directory, found ${kindWords(node)}`, {
    details: { path: `/${name}`, found: node.content.kind },
  });
}

/** As {@link findTopDirectory}, but it must exist. @throws ComposefsError `TREE_INVALID` missing or not a directory */
export function topDirectory(root: Directory, name: string): Directory {
  const found = findTopDirectory(root, name);
  if (found !== undefined) return found;
  throw new ComposefsError("TREE_INVALID", `/${name} does not exist, expected a directory`, {
    details: { path: `/${name}` },
    hint: "is this the root of a whole operating system?",
  });
}
