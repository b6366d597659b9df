import { ComposefsError } from "../errors.ts";
import {
  type ByteString,
  bytesOf,
  type Directory,
  isDirectory,
  isWhiteout,
  type Leaf,
  type TreeNode,
} from "../tree/node.ts";
import { BLOCK_BYTES, DIRENT_BYTES, MAX_DEPTH } from "./format.ts";

/**
 * The inodes of a tree as flat lists. An id is the place of an inode in a depth-first walk in bytewise order of names;
 * the root is 0. Directory entries, `.` and `..` among them, stand in one list, those of a directory together and sorted.
 */
export interface InodeTable {
  /** By id. */
  readonly nodes: TreeNode[];
  /** By id: nlink as the image says it. */
  readonly links: number[];
  /** By id: the directory where the inode is met first; the root's is itself. */
  readonly homes: number[];
  /** By id: the first entry and the one after the last; leaves have none. */
  readonly firstEntry: number[];
  readonly endEntry: number[];
  /** By entry. */
  readonly names: ByteString[];
  /** By entry: the id it refers to. */
  readonly targets: number[];
}

/** Longest name that fits a directory block. */
const MAX_NAME_BYTES = BLOCK_BYTES - DIRENT_BYTES;

/**
 * Walks a tree once.
 *
 * @throws ComposefsError `IMAGE_UNREPRESENTABLE` a name that no directory can hold, a hard-linked whiteout, or
 *   directories nested 2048 deep
 */
export function tabulateInodes(root: Directory): InodeTable {
  const table: InodeTable = {
    nodes: [],
    links: [],
    homes: [],
    firstEntry: [],
    endEntry: [],
    names: [],
    targets: [],
  };
  const { names, targets, endEntry, links, nodes } = table;
  const leaves = new Map<Leaf, number>();
  addDirectory(table, root, 0);
  const path = [0]; // ids of the open directories
  const next = [0]; // by depth: the entry to look at
  let depth = 0;
  while (depth >= 0) {
    const parent = path[depth] as number;
    const entry = next[depth] as number;
    if (entry === endEntry[parent]) {
      depth--;
      continue;
    }
    next[depth] = entry + 1;
    const name = names[entry] as ByteString;
    if (name === "." || name === "..") continue;
    const node = (nodes[parent] as Directory).entries.get(name) as TreeNode;
    if (isDirectory(node)) {
      const id = addDirectory(table, node, parent);
      targets[entry] = id;
      (links[parent] as number)++;
      depth++;
      if (depth >= MAX_DEPTH) throw unrepresentable(table, id, `directories are nested ${depth} deep, at most 2047`);
      path[depth] = id;
      next[depth] = table.firstEntry[id] as number;
      continue;
    }
    const known = leaves.get(node);
    if (known === undefined) {
      const id = addNode(table, node, parent);
      targets[entry] = id;
      leaves.set(node, id);
    } else {
      targets[entry] = known;
      (links[known] as number)++;
      if (isWhiteout(node)) throw unrepresentable(table, known, "a whiteout has more than one link");
    }
  }
  return table;
}

/** Ids in the order of V0 and V1: breadth first, but a hard-linked leaf stands in its home directory (§3.3). */
export function breadthFirst(table: InodeTable): Uint32Array {
  const { nodes, homes, firstEntry, endEntry, targets } = table;
  const order = new Uint32Array(nodes.length);
  const numbered = new Uint8Array(nodes.length);
  numbered[0] = 1;
  let count = 1;
  for (let at = 0; at < count; at++) {
    const parent = order[at] as number;
    const end = endEntry[parent] as number;
    for (let entry = firstEntry[parent] as number; entry < end; entry++) {
      const id = targets[entry] as number;
      // `.` and `..` are numbered already; only hard links stand outside their home.
      if (numbered[id] === 1 || homes[id] !== parent) continue;
      numbered[id] = 1;
      order[count++] = id;
    }
  }
  return order;
}

/** Ids in the order of V2. */
export function depthFirst(table: InodeTable): Uint32Array {
  return Uint32Array.from(table.nodes.keys());
}

/**
 * A refusal that names the inode.
 *
 * @param what the reason
 */
export function unrepresentable(table: InodeTable, id: number, what: string): ComposefsError {
  const path = pathOf(table, id);
  return new ComposefsError("IMAGE_UNREPRESENTABLE", `${path}: ${what}; no image can hold that`, { details: { path } });
}

function addNode({ nodes, links, homes, firstEntry, endEntry }: InodeTable, node: TreeNode, parent: number): number {
  homes.push(parent);
  links.push(1);
  firstEntry.push(0);
  endEntry.push(0);
  return nodes.push(node) - 1;
}

function addDirectory(table: InodeTable, directory: Directory, parent: number): number {
  const { names, targets } = table;
  const id = addNode(table, directory, parent);
  const sorted = [...directory.entries.keys(), "." as ByteString, ".." as ByteString].sort(); // code units: bytewise
  table.links[id] = 2;
  table.firstEntry[id] = names.length;
  table.endEntry[id] = names.length + sorted.length;
  for (const name of sorted) {
    checkName(table, id, name);
    targets.push(name === "." ? id : parent); // children are set when met
    names.push(name);
  }
  if (directory.entries.has("." as ByteString) || directory.entries.has(".." as ByteString)) {
    throw unrepresentable(table, id, "a child is called '.' or '..'");
  }
  return id;
}

function checkName(table: InodeTable, directory: number, name: ByteString): void {
  if (name.length > MAX_NAME_BYTES) {
    throw unrepresentable(table, directory, `the name of a child has ${name.length} bytes, at most ${MAX_NAME_BYTES}`);
  }
  if (name === "" || /[\0/]/.test(name)) {
    throw unrepresentable(table, directory, `'${bytesOf(name)}' is no name for a child`);
  }
}

/** For messages only: it searches. */
function pathOf(table: InodeTable, id: number): string {
  const parts: string[] = [];
  for (let child = id; child !== 0; child = table.homes[child] as number) {
    const parent = table.homes[child] as number;
    for (const [name, node] of (table.nodes[parent] as Directory).entries) {
      if (node !== table.nodes[child]) continue;
      parts.unshift(bytesOf(name).toString());
      break;
    }
  }
  return `/${parts.join("/")}`;
}
