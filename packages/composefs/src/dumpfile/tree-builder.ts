import type { HashName } from "@composefs/reflink";
import {
  type ByteString,
  createDirectory,
  createStat,
  type Directory,
  isDirectory,
  type Leaf,
  type TreeNode,
} from "../tree/node.ts";
import { walkTree } from "../tree/walk.ts";
import { COLUMN } from "./format.ts";
import { type DumpfileLine, dumpfileProblem, quoted } from "./line.ts";
import { type LineEntry, parseLine } from "./parse-line.ts";

/** Fills a tree from lines in the order of the file (erofs-image.md §8.3). */
export class TreeBuilder {
  readonly #hash: HashName;
  readonly #root = createDirectory();
  #hasRoot = false;
  /** Leaves whose entry a later line replaced; in the end each must have another name. */
  readonly #replaced: { readonly path: ByteString; readonly leaf: Leaf; readonly by: DumpfileLine }[] = [];
  /** The last of them at each path: links to it are still taken. */
  readonly #replacedAt = new Map<ByteString, Leaf>();
  /**
   * The directory looked up last; most lines have the same parent as the line before. It is never one that was
   * replaced: when that happens it is the parent of the one replaced.
   */
  #lastPath = "";
  #last: Directory = this.#root;

  constructor(hash: HashName) {
    this.#hash = hash;
  }

  /** Adds what a line says. @throws ComposefsError `DUMPFILE_INVALID` */
  add(line: DumpfileLine): void {
    const entry = parseLine(line, this.#hash);
    if (entry.path === "/") {
      this.#root.stat = entry.kind === "link" ? createStat() : entry.stat;
      this.#hasRoot = true;
      return;
    }
    if (!this.#hasRoot) {
      throw line.problem(COLUMN.PATH, "expected the root directory in the first line", {
        hint: "begin with a line such as: / 0 40755 2 0 0 0 0.0 - - -",
      });
    }
    const slash = entry.path.lastIndexOf("/");
    const parent = this.#parent(line, entry.path.slice(0, slash));
    const name = entry.path.slice(slash + 1) as ByteString;
    const node = this.#node(line, entry);
    const old = parent.entries.get(name);
    if (old !== undefined && old !== node) this.#retire(line, entry.path, old);
    parent.entries.set(name, node);
  }

  /** The tree. @throws ComposefsError `DUMPFILE_INVALID` no line at all, or a line that left nothing behind */
  finish(lines: number): Directory {
    if (!this.#hasRoot) {
      throw dumpfileProblem("the dumpfile is empty, expected a line for the root directory", {
        line: lines + 1,
        column: 1,
        hint: "begin with a line such as: / 0 40755 2 0 0 0 0.0 - - -",
      });
    }
    if (this.#replaced.length > 0) this.#checkReplaced();
    return this.#root;
  }

  #node(line: DumpfileLine, entry: LineEntry): TreeNode {
    if (entry.kind === "directory") return createDirectory(entry.stat);
    if (entry.kind === "leaf") return { stat: entry.stat, content: entry.content };
    const found = this.#find(entry.target);
    const leaf = found === undefined || isDirectory(found) ? this.#replacedAt.get(entry.target) : found;
    if (leaf !== undefined) return leaf;
    if (found !== undefined) {
      throw line.problem(COLUMN.PAYLOAD, "this is the path of a directory, and directories have no hard links");
    }
    if (entry.target === entry.path) throw line.problem(COLUMN.PAYLOAD, "a hard link to itself");
    throw line.problem(COLUMN.PAYLOAD, "no line before this one has the path that the hard link stands for", {
      hint: "the first name of a file must stand before its links",
    });
  }

  #find(path: string): TreeNode | undefined {
    let node: TreeNode = this.#root;
    if (path === "/") return node;
    for (let start = 1; start <= path.length; ) {
      const slash = path.indexOf("/", start);
      const end = slash < 0 ? path.length : slash;
      if (!isDirectory(node)) return undefined;
      const child: TreeNode | undefined = node.entries.get(path.slice(start, end) as ByteString);
      if (child === undefined) return undefined;
      node = child;
      start = end + 1;
    }
    return node;
  }

  /** The directory at `path`; the root's is the empty string here. */
  #parent(line: DumpfileLine, path: string): Directory {
    if (path === this.#lastPath) return this.#last;
    const found = path === "" ? this.#root : this.#find(path);
    if (found === undefined || !isDirectory(found)) {
      const why = found === undefined ? "has no line before this one" : "is not a directory";
      throw line.problem(COLUMN.PATH, `parent ${quoted(path)} ${why}`, {
        ...(found === undefined ? { hint: "a directory's line must stand before those of its children" } : {}),
      });
    }
    this.#lastPath = path;
    this.#last = found;
    return found;
  }

  #retire(by: DumpfileLine, path: ByteString, old: TreeNode): void {
    if (!isDirectory(old)) {
      this.#replaced.push({ path, leaf: old, by });
      this.#replacedAt.set(path, old);
      return;
    }
    for (const { path: below, node } of walkTree(old)) {
      if (!isDirectory(node)) this.#retire(by, `${path}${below}` as ByteString, node);
    }
  }

  /** A file that was replaced and has no other name is lost: the reference calls it an orphaned leaf. */
  #checkReplaced(): void {
    const present = new Set<TreeNode>();
    for (const { node } of walkTree(this.#root)) present.add(node);
    for (const { path, leaf, by } of this.#replaced) {
      if (present.has(leaf)) continue;
      throw by.problem(COLUMN.PATH, `this second line of the path leaves ${quoted(path)} of an earlier line nameless`, {
        hint: "give each path one line",
      });
    }
  }
}
