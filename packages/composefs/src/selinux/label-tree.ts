import { keepXattrs } from "../tree/filter-xattrs.ts";
import { type ByteString, type Directory, isDirectory, type Leaf, sortedEntries, type TreeNode } from "../tree/node.ts";
import { fileType } from "./file-contexts.ts";
import type { Labeller } from "./labeller.ts";
import type { Policy, ReadObject } from "./read-policy.ts";

const LABEL = "security.selinux" as ByteString;

/**
 * Gives every inode of a tree to boot the label that the SELinux policy in the tree says, or none; without a policy no
 * label stays (oci.md §6.1, after `prepareBootTree`). Of a hard link, each later name that needs another label than the
 * first becomes a file of its own. The tree is changed in place.
 *
 * @param readObject the content of a file beneath the root that is not in the tree itself
 * @throws ComposefsError `TREE_INVALID` a file of the policy, or what leads to it, is something else;
 *   `SELINUX_POLICY_INVALID` a file of the policy is malformed or missing; `SELINUX_UNSUPPORTED` a regular expression
 *   cannot be taken, or matching takes too long; errors of `readObject`
 */
export async function labelBootTree(root: Directory, readObject: ReadObject): Promise<void> {
  // Loaded when a tree is to be labelled: all that is about policies is of no use before.
  const { readPolicy } = await import("./read-policy.ts");
  const policy = await readPolicy(root, readObject);
  if (policy === null) {
    keepXattrs(root, (name) => name !== LABEL);
    return;
  }
  const { Labeller } = await import("./labeller.ts");
  labelTree(root, new Labeller(policy.rules), policy.substitutions);
}

function labelTree(root: Directory, labeller: Labeller, substitutions: Policy["substitutions"]): void {
  /** Labels of the leaves so far. */
  const labelled = new Map<Leaf, Uint8Array | null>();
  setLabel(root, labeller.label("/" as ByteString, "d"));
  const stack = [{ directory: root, prefix: "/", entries: sortedEntries(root).values() }];
  for (let top = stack.at(-1); top !== undefined; top = stack.at(-1)) {
    const next = top.entries.next();
    if (next.done) {
      stack.pop();
      continue;
    }
    const [name, node] = next.value;
    const own = `${top.prefix}${name}` as ByteString;
    const path = substitutions.get(own) ?? own;
    if (isDirectory(node)) {
      setLabel(node, labeller.label(path, "d"));
      const prefix = path.endsWith("/") ? path : `${path}/`;
      stack.push({ directory: node, prefix, entries: sortedEntries(node).values() });
      continue;
    }
    const label = labeller.label(path, fileType(node.content));
    const first = labelled.get(node);
    if (first === undefined) {
      labelled.set(node, label);
      setLabel(node, label);
    } else if (!sameLabel(first, label)) {
      const own = { content: node.content, stat: { ...node.stat } };
      setLabel(own, label);
      top.directory.entries.set(name, own);
    }
  }
}

function setLabel({ stat }: TreeNode, label: Uint8Array | null): void {
  if (label === null && !stat.xattrs.has(LABEL)) return;
  const xattrs = new Map(stat.xattrs);
  if (label === null) xattrs.delete(LABEL);
  else xattrs.set(LABEL, label);
  stat.xattrs = xattrs;
}

function sameLabel(a: Uint8Array | null, b: Uint8Array | null): boolean {
  return a === b || (a !== null && b !== null && Buffer.compare(a, b) === 0);
}
