import { ComposefsError } from "../errors.ts";
import type { ObjectId } from "../fsverity/object-id.ts";
import { keepXattrs } from "./filter-xattrs.ts";
import { type ByteString, type Directory, isDirectory, type Leaf } from "./node.ts";

const CONFIG = ["etc", "selinux", "config"];
const PATH = `/${CONFIG.join("/")}`;
const LABEL = "security.selinux";

/**
 * The SELinux labels of an image that is booted (oci.md §6.1, after `prepareBootTree`): without a policy in the tree,
 * none at all. The tree is changed in place.
 *
 * @param readObject the content of a file beneath the root that is not in the tree itself
 * @throws ComposefsError `SELINUX_UNSUPPORTED` the tree has a policy, and images with its labels cannot be made yet:
 *   one without them would have another id, and not boot; `TREE_INVALID` `/etc/selinux/config` is no regular file
 */
export async function labelBootTree(
  root: Directory,
  readObject: (id: ObjectId, path: string) => Promise<Uint8Array>,
): Promise<void> {
  const config = findConfig(root);
  const policy = config === null ? null : selinuxPolicy(await readConfig(config, readObject));
  if (policy === null) {
    keepXattrs(root, (name) => name !== LABEL);
    return;
  }
  throw new ComposefsError("SELINUX_UNSUPPORTED", `${PATH} names the policy '${policy}': labels cannot be made yet`, {
    details: { path: PATH, policy },
    hint: "this version makes bootable images only of trees without an SELinux policy",
  });
}

function readConfig(
  { content }: Leaf,
  readObject: (id: ObjectId, path: string) => Promise<Uint8Array>,
): Uint8Array | Promise<Uint8Array> {
  switch (content.kind) {
    case "inline":
      return content.bytes;
    case "external":
      return readObject(content.id, PATH);
    default:
      throw new ComposefsError("TREE_INVALID", `${PATH}: expected a regular file, found a ${content.kind} entry`, {
        details: { path: PATH, found: content.kind },
      });
  }
}

/** Policy that `/etc/selinux/config` names in its first `SELINUXTYPE` line, whatever the case of that; null: none. */
export function selinuxPolicy(config: Uint8Array): string | null {
  for (const line of Buffer.from(config).toString("utf8").split("\n")) {
    const equals = line.indexOf("=");
    if (equals < 0 || line.slice(0, equals).trim().toUpperCase() !== "SELINUXTYPE") continue;
    return line.slice(equals + 1).trim();
  }
  return null;
}

function findConfig(root: Directory): Leaf | null {
  let node: Directory | Leaf | undefined = root;
  for (const name of CONFIG)
    node = node !== undefined && isDirectory(node) ? node.entries.get(name as ByteString) : undefined;
  return node === undefined || isDirectory(node) ? null : node;
}
