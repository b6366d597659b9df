import {
  type ByteString,
  type Directory,
  isDirectory,
  isWhiteout,
  type Leaf,
  type Stat,
  type TreeNode,
} from "../tree/node.ts";
import type { InodeTable } from "./inode-table.ts";

/** Names by which overlayfs and we tell each other things (erofs-image.md §2.5, §3.2). */
export const OVERLAY = {
  prefix: "trusted.overlay.",
  escapedPrefix: "trusted.overlay.overlay.",
  metacopy: "trusted.overlay.metacopy",
  redirect: "trusted.overlay.redirect",
  opaque: "trusted.overlay.opaque",
} as const;

/** Marks of an escaped whiteout: name and value. */
export const WHITEOUT_MARKS: readonly (readonly [string, string])[] = [
  ["trusted.overlay.overlay.whiteout", ""],
  ["user.overlay.whiteout", ""],
];

/** Marks of a directory with escaped whiteouts. */
export const PARENT_MARKS: readonly (readonly [string, string])[] = [
  ["trusted.overlay.overlay.whiteouts", ""],
  ["user.overlay.whiteouts", ""],
];

/** More marks of such a directory, in V1 only. */
export const PARENT_MARKS_V1: readonly (readonly [string, string])[] = [
  ["trusted.overlay.overlay.opaque", "x"],
  ["user.overlay.opaque", "x"],
];

const SELINUX = "security.selinux" as ByteString;
const STUB_MODE = 0o644;
const STUB_NAME = /^[0-9a-f]{2}$/;

/**
 * A copy of the root with the V0/V1 stubs (§3.1): whiteouts `00` to `ff`, which hide the object directories of the
 * data layer below.
 */
export function withStubs(root: Directory): Directory {
  const entries = new Map<ByteString, TreeNode>(root.entries);
  const { uid, gid, mtimeSeconds, mtimeNanoseconds } = root.stat;
  const stat: Stat = { mode: STUB_MODE, uid, gid, mtimeSeconds, mtimeNanoseconds, xattrs: stubXattrs(root) };
  for (let i = 0; i < 256; i++) {
    const name = i.toString(16).padStart(2, "0") as ByteString;
    if (!entries.has(name)) entries.set(name, { stat, content: { kind: "char", rdev: 0n } });
  }
  return { stat: root.stat, entries };
}

/** What V0 and V1 do to whiteouts of the input, by inode id. */
export interface WhiteoutEscapes {
  /** 1: this whiteout becomes a marked empty file. */
  readonly escaped: Uint8Array;
  /** 1: this directory has such children. */
  readonly parents: Uint8Array;
}

/** Finds the whiteouts to escape (§3.2): all but those of the root that look like stubs. */
export function escapeWhiteouts(table: InodeTable): WhiteoutEscapes {
  const { nodes, firstEntry, endEntry, names, targets } = table;
  const escaped = new Uint8Array(nodes.length);
  const parents = new Uint8Array(nodes.length);
  const root = nodes[0] as Directory;
  for (const [parent, directory] of nodes.entries()) {
    if (!isDirectory(directory)) continue;
    const end = endEntry[parent] as number;
    for (let entry = firstEntry[parent] as number; entry < end; entry++) {
      const id = targets[entry] as number;
      const node = nodes[id] as TreeNode;
      if (!isWhiteout(node)) continue;
      if (parent === 0 && isLikeStub(names[entry] as ByteString, node as Leaf, root)) continue;
      escaped[id] = 1;
      parents[parent] = 1;
    }
  }
  return { escaped, parents };
}

function stubXattrs(root: Directory): Map<ByteString, Uint8Array> {
  const label = root.stat.xattrs.get(SELINUX);
  return new Map(label === undefined ? [] : [[SELINUX, label]]);
}

function isLikeStub(name: ByteString, { stat }: Leaf, root: Directory): boolean {
  if (!STUB_NAME.test(name) || stat.mode !== STUB_MODE) return false;
  if (stat.uid !== root.stat.uid || stat.gid !== root.stat.gid) return false;
  if (stat.mtimeSeconds !== root.stat.mtimeSeconds || stat.mtimeNanoseconds !== root.stat.mtimeNanoseconds)
    return false;
  const expected = stubXattrs(root);
  if (stat.xattrs.size !== expected.size) return false;
  for (const [key, value] of expected) {
    const found = stat.xattrs.get(key);
    if (found === undefined || Buffer.compare(found, value) !== 0) return false;
  }
  return true;
}
