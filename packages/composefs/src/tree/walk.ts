import { type ByteString, type Directory, isDirectory, type Leaf, sortedEntries, type TreeNode } from "./node.ts";

/** A place in a tree. */
export interface Visit {
  /** `/` for the root, else `/a/b`. */
  readonly path: ByteString;
  readonly node: TreeNode;
}

/** Every directory entry depth first, parents before children, names in bytewise order; the root first. */
export function* walkTree(root: Directory): Generator<Visit, void, undefined> {
  yield { path: "/" as ByteString, node: root };
  const stack = [{ prefix: "/", entries: sortedEntries(root).values() }];
  for (let top = stack.at(-1); top !== undefined; top = stack.at(-1)) {
    const next = top.entries.next();
    if (next.done) {
      stack.pop();
      continue;
    }
    const [name, node] = next.value;
    const path = `${top.prefix}${name}` as ByteString;
    yield { path, node };
    if (isDirectory(node)) stack.push({ prefix: `${path}/`, entries: sortedEntries(node).values() });
  }
}

/** How often each leaf stands in the tree. */
export function countLinks(root: Directory): Map<Leaf, number> {
  const links = new Map<Leaf, number>();
  for (const { node } of walkTree(root)) {
    if (!isDirectory(node)) links.set(node, (links.get(node) ?? 0) + 1);
  }
  return links;
}
