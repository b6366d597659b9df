import { type Directory, isDirectory, type Leaf, type LeafContent, type Stat } from "../../src/tree/node.ts";
import { walkTree } from "../../src/tree/walk.ts";

/** A directory entry as plain values, for `toEqual`. */
export interface PlainEntry {
  readonly path: string;
  readonly stat: Readonly<Record<string, unknown>>;
  readonly content: Readonly<Record<string, unknown>>;
  /** Path of the inode's first entry when this is a later one. */
  readonly linkTo?: string;
}

/**
 * Everything a tree holds, in the order of the walk: two trees are equal exactly when their lists are. Bytes are
 * latin1 strings, sizes decimal, so that a failing test prints a readable difference.
 */
export function plainTree(root: Directory): PlainEntry[] {
  const seen = new Map<Leaf, string>();
  const list: PlainEntry[] = [];
  for (const { path, node } of walkTree(root)) {
    if (isDirectory(node)) {
      list.push({ path, stat: plainStat(node.stat), content: { kind: "directory" } });
      continue;
    }
    const first = seen.get(node);
    if (first === undefined) seen.set(node, path);
    list.push({
      path,
      stat: plainStat(node.stat),
      content: plainContent(node.content),
      ...(first === undefined ? {} : { linkTo: first }),
    });
  }
  return list;
}

function plainStat(stat: Stat): Record<string, unknown> {
  const xattrs = [...stat.xattrs].map(([name, value]) => [name as string, latin1(value)]);
  return {
    mode: stat.mode.toString(8),
    uid: stat.uid,
    gid: stat.gid,
    mtime: `${stat.mtimeSeconds}s ${stat.mtimeNanoseconds}ns`,
    xattrs: Object.fromEntries(xattrs.sort(([a = ""], [b = ""]) => (a < b ? -1 : 1))),
  };
}

function plainContent(content: LeafContent): Record<string, unknown> {
  switch (content.kind) {
    case "inline":
      return { kind: content.kind, bytes: latin1(content.bytes) };
    case "external":
    case "external-no-verity":
      return { kind: content.kind, id: content.id, size: content.size.toString() };
    case "sparse":
      return { kind: content.kind, size: content.size.toString() };
    case "symlink":
      return { kind: content.kind, target: latin1(content.target) };
    case "char":
    case "block":
      return { kind: content.kind, rdev: content.rdev.toString() };
    default:
      return { kind: content.kind };
  }
}

function latin1(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("latin1");
}
