import { type ByteString, type Directory, NO_XATTRS } from "./node.ts";
import { walkTree } from "./walk.ts";

/**
 * Which xattrs an image keeps: `allowlist-only` those that mean the same on every machine, `keep-user-xattrs` the
 * user's as well.
 */
export type XattrMode = "allowlist-only" | "keep-user-xattrs";

/** Names kept in every mode; SELinux labels, for one, come from the policy of the machine a tree was read on. */
const ALLOWED: ReadonlySet<string> = new Set(["security.capability"]);

/** Removes the xattrs of every node that `mode` does not keep (erofs-image.md §1.2, step c). */
export function filterXattrs(root: Directory, mode: XattrMode): void {
  keepXattrs(root, (name) => ALLOWED.has(name) || (mode === "keep-user-xattrs" && isUserXattr(name)));
}

/** Removes the xattrs of every node whose names `keep` does not take. */
export function keepXattrs(root: Directory, keep: (name: ByteString) => boolean): void {
  for (const { node } of walkTree(root)) {
    const { stat } = node;
    if (stat.xattrs.size === 0) continue;
    const kept = [...stat.xattrs].filter(([name]) => keep(name));
    if (kept.length < stat.xattrs.size) stat.xattrs = kept.length === 0 ? NO_XATTRS : new Map(kept);
  }
}

/** An xattr of the `user.` namespace. */
export function isUserXattr(name: string): boolean {
  return name.startsWith("user.");
}
