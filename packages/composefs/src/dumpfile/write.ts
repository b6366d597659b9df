import { objectPath } from "../fsverity/object-id.ts";
import {
  type ByteString,
  type Directory,
  isDirectory,
  type Leaf,
  type LeafContent,
  sortedEntries,
  type TreeNode,
} from "../tree/node.ts";
import { countLinks } from "../tree/walk.ts";
import { escapeField, escapeName, escapeXattr } from "./escape.ts";
import { TYPE } from "./format.ts";
import { checkRepresentable } from "./representable.ts";

/** Characters handed over at once. */
const PIECE = 64 * 1024;

/** How to write a dumpfile. */
export interface WriteDumpfileOptions {
  /**
   * What to do with a node that the text cannot hold: a time before 1970, a file that has an object but no digest and
   * a few more. `refuse`, the default, throws; `write` gives the text of the reference, from which a reader gets
   * something else or nothing.
   */
  readonly losses?: "refuse" | "write";
  /** Begins at this node, called `path` in the text; links are still counted in the whole tree. */
  readonly from?: { readonly path: ByteString; readonly node: TreeNode };
}

/**
 * The dumpfile of a tree in canonical form (erofs-image.md §8.2): depth first, names in bytewise order, a file in full
 * at its first name. The text is ASCII; it comes in pieces of many lines.
 *
 * @throws ComposefsError `DUMPFILE_UNREPRESENTABLE`
 */
export function* writeDumpfile(
  root: Directory,
  options: WriteDumpfileOptions = {},
): Generator<string, void, undefined> {
  const { path: startPath, node: start } = options.from ?? { path: "/" as ByteString, node: root };
  const strict = options.losses !== "write";
  const links = countLinks(root);
  /** Path of the first name of each leaf that has several, escaped. */
  const firstNames = new Map<Leaf, string>();
  let piece = "";
  const add = (path: string, rawPath: ByteString, node: TreeNode): void => {
    if (isDirectory(node)) {
      if (strict) checkRepresentable(rawPath, node, 1);
      piece += directoryLine(path, node);
      return;
    }
    const first = firstNames.get(node);
    if (first !== undefined) {
      piece += `${path} 0 @120000 - - - - 0.0 ${first} - -\n`;
      return;
    }
    const count = links.get(node) ?? 1;
    if (strict) checkRepresentable(rawPath, node, count);
    if (count > 1) firstNames.set(node, path);
    piece += leafLine(path, node, count);
  };

  add(escapeField(startPath), startPath, start);
  // Both forms of a directory's path, so that each name is escaped once.
  const stack = isDirectory(start) ? [level(startPath, start)] : [];
  for (let top = stack.at(-1); top !== undefined; top = stack.at(-1)) {
    const next = top.entries.next();
    if (next.done) {
      stack.pop();
      continue;
    }
    const [name, node] = next.value;
    const rawPath = (top.raw + name) as ByteString;
    const path = top.escaped + escapeName(name);
    add(path, rawPath, node);
    if (isDirectory(node)) {
      stack.push({ raw: `${rawPath}/`, escaped: `${path}/`, entries: sortedEntries(node).values() });
    }
    if (piece.length >= PIECE) {
      yield piece;
      piece = "";
    }
  }
  if (piece !== "") yield piece;
}

interface Level {
  readonly raw: string;
  readonly escaped: string;
  readonly entries: Iterator<[ByteString, TreeNode]>;
}

function level(path: ByteString, directory: Directory): Level {
  const raw = path.endsWith("/") ? path : `${path}/`;
  return { raw, escaped: escapeName(raw), entries: sortedEntries(directory).values() };
}

function directoryLine(path: string, directory: Directory): string {
  let links = 2;
  for (const child of directory.entries.values()) if (isDirectory(child)) links += 1;
  return line(path, "0", TYPE.directory, links, directory, "0", "- - -");
}

function leafLine(path: string, leaf: Leaf, links: number): string {
  const { content } = leaf;
  const rdev = content.kind === "char" || content.kind === "block" ? content.rdev.toString() : "0";
  return line(path, sizeOf(content), typeOf(content), links, leaf, rdev, lastColumns(content));
}

function line(
  path: string,
  size: string,
  type: number,
  links: number,
  { stat }: TreeNode,
  rdev: string,
  last: string,
): string {
  const mode = (type + (stat.mode % 0o10000)).toString(8);
  const time = `${stat.mtimeSeconds}.${stat.mtimeNanoseconds}`;
  const start = `${path} ${size} ${mode} ${links} ${stat.uid} ${stat.gid} ${rdev} ${time} ${last}`;
  if (stat.xattrs.size === 0) return `${start}\n`;
  const xattrs = [...stat.xattrs].sort(([a], [b]) => (a < b ? -1 : 1));
  return `${start}${xattrs.map(([name, value]) => ` ${escapeXattr(name)}=${escapeXattr(latin1(value))}`).join("")}\n`;
}

function sizeOf(content: LeafContent): string {
  switch (content.kind) {
    case "inline":
      return content.bytes.length.toString();
    case "external":
    case "external-no-verity":
    case "sparse":
      return content.size.toString();
    case "symlink":
      return content.target.length.toString();
    default:
      return "0";
  }
}

function typeOf(content: LeafContent): number {
  switch (content.kind) {
    case "symlink":
    case "char":
    case "block":
    case "fifo":
    case "socket":
      return TYPE[content.kind];
    default:
      return TYPE.regular;
  }
}

/** PAYLOAD, CONTENT and DIGEST. */
function lastColumns(content: LeafContent): string {
  switch (content.kind) {
    case "inline":
      return `- ${escapeField(latin1(content.bytes))} -`;
    case "external":
    case "external-no-verity":
      return `${objectPath(content.id)} - ${content.id}`;
    case "symlink":
      return `${escapeField(latin1(content.target))} - -`;
    default:
      return "- - -";
  }
}

function latin1(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("latin1");
}
