import { isUtf8 } from "node:buffer";
import { ComposefsError } from "../errors.ts";
import type { ObjectId } from "../fsverity/object-id.ts";
import {
  type ByteString,
  byteString,
  bytesOf,
  type Directory,
  isDirectory,
  kindWords,
  type Leaf,
  sortedEntries,
  type TreeNode,
} from "../tree/node.ts";
import { walkTree } from "../tree/walk.ts";
import { blsFiles } from "./bls.ts";

/** A regular file of the image that is needed to boot. */
export type BootContent =
  | { readonly kind: "inline"; readonly bytes: Uint8Array }
  | { readonly kind: "external"; readonly id: ObjectId; readonly size: bigint };

/** A way to boot an image. */
export type BootEntry =
  /** A boot loader entry, `/boot/loader/entries/NAME.conf`, and the files that it names, by the paths it has for them. */
  | {
      readonly kind: "bls";
      readonly name: ByteString;
      readonly text: string;
      readonly files: ReadonlyMap<string, BootContent>;
    }
  /** A unified kernel image; `path` is that beneath `/boot/EFI/Linux`, or its name alone. */
  | { readonly kind: "uki"; readonly path: ByteString; readonly content: BootContent }
  /** A kernel in `/usr/lib/modules/VERSION`. */
  | {
      readonly kind: "kernel";
      readonly version: ByteString;
      readonly kernel: BootContent;
      readonly initramfs: BootContent | null;
    };

/** Longest boot loader entry that is read. */
const MAX_ENTRY_BYTES = 2 ** 20;
/** All of them together: a thousand names can lead to one file. */
const MAX_ENTRIES_BYTES = 16 * MAX_ENTRY_BYTES;

/**
 * The ways to boot that the tree of an image has, best first: boot loader entries, unified kernel images in
 * `/boot/EFI/Linux` and those beside kernel modules, kernels there. Addons of unified kernel images are none. Symlinks
 * are not followed.
 *
 * @param readObject the content of a file beneath the root that is not in the tree itself
 * @throws ComposefsError `BOOT_ENTRY_INVALID` an entry is malformed or names a file that is not there; `TREE_INVALID`
 *   something else stands where a directory should; errors of `readObject`
 * @see oci.md §6.1
 */
export async function collectBootEntries(
  root: Directory,
  readObject: (id: ObjectId) => Promise<Uint8Array>,
): Promise<BootEntry[]> {
  const entries: BootEntry[] = [];
  let length = 0;
  for (const [name, node] of entriesOf(root, "/boot/loader/entries")) {
    if (!name.endsWith(".conf")) continue;
    const path = `/boot/loader/entries/${name}`;
    const content = regularFile(node, path);
    const text = await readText(content, path, readObject);
    length += text.length;
    if (length > MAX_ENTRIES_BYTES)
      throw invalid(path, `with it the entries have more than ${MAX_ENTRIES_BYTES} bytes`);
    const files = new Map(blsFiles(text).map((file) => [file, namedFile(root, file, path)]));
    entries.push({ kind: "bls", name: name.slice(0, -".conf".length) as ByteString, text, files });
  }
  const linux = findDirectory(root, "/boot/EFI/Linux");
  if (linux !== undefined) entries.push(...unifiedKernels(linux, "/boot/EFI/Linux"));
  const modules = entriesOf(root, "/usr/lib/modules");
  for (const [version, node] of modules) {
    if (!isDirectory(node)) continue;
    for (const [name, file] of sortedEntries(node)) {
      if (!isUnifiedKernel(name) || isDirectory(file)) continue;
      entries.push({ kind: "uki", path: name, content: regularFile(file, `/usr/lib/modules/${version}/${name}`) });
    }
  }
  for (const [version, node] of modules) {
    const kernel = isDirectory(node) ? contentOf(node.entries.get("vmlinuz" as ByteString)) : null;
    if (!isDirectory(node) || kernel === null) continue;
    const initramfs = contentOf(node.entries.get("initramfs.img" as ByteString));
    entries.push({ kind: "kernel", version, kernel, initramfs });
  }
  return entries;
}

function unifiedKernels(top: Directory, topPath: string): BootEntry[] {
  const found: BootEntry[] = [];
  for (const { path, node } of walkTree(top)) {
    if (isDirectory(node) || !path.endsWith(".efi")) continue;
    const content = regularFile(node, topPath + path);
    if (isUnifiedKernel(path)) found.push({ kind: "uki", path: path.slice(1) as ByteString, content });
  }
  return found;
}

function isUnifiedKernel(name: string): boolean {
  return name.endsWith(".efi") && !name.endsWith(".addon.efi");
}

async function readText(
  content: BootContent,
  path: string,
  readObject: (id: ObjectId) => Promise<Uint8Array>,
): Promise<string> {
  const size = content.kind === "inline" ? content.bytes.length : content.size;
  if (size > MAX_ENTRY_BYTES) throw invalid(path, `${size} bytes, expected at most ${MAX_ENTRY_BYTES}`);
  const bytes = content.kind === "inline" ? content.bytes : await readObject(content.id);
  if (!isUtf8(bytes)) throw invalid(path, "expected UTF-8, found other bytes");
  return Buffer.from(bytes).toString("utf8");
}

/** A file that an entry names by its path from the root of the image. */
function namedFile(root: Directory, file: string, entry: string): BootContent {
  const parts = file.split("/").filter((part) => part !== "" && part !== ".");
  if (!file.startsWith("/") || parts.includes("..") || file.includes("\0")) {
    throw invalid(entry, `'${file}' is no path from the root without '..'`);
  }
  let node: TreeNode | undefined = root;
  for (const part of parts) {
    node = node !== undefined && isDirectory(node) ? node.entries.get(byteString(Buffer.from(part))) : undefined;
  }
  const content = contentOf(node);
  if (content === null) throw invalid(entry, `it names '${file}', which is no regular file of the image`);
  return content;
}

function regularFile(node: TreeNode, path: string): BootContent {
  const content = contentOf(node);
  if (content !== null) return content;
  throw invalid(text(path), `expected a regular file, found ${kindWords(node)}`);
}

function contentOf(node: TreeNode | undefined): BootContent | null {
  if (node === undefined || isDirectory(node)) return null;
  const { content }: Leaf = node;
  return content.kind === "inline" || content.kind === "external" ? content : null;
}

function entriesOf(root: Directory, path: string): [ByteString, TreeNode][] {
  const directory = findDirectory(root, path);
  return directory === undefined ? [] : sortedEntries(directory);
}

function findDirectory(root: Directory, path: string): Directory | undefined {
  let directory = root;
  for (const name of path.slice(1).split("/")) {
    const node = directory.entries.get(name as ByteString);
    if (node === undefined) return undefined;
    if (!isDirectory(node)) {
      throw new ComposefsError("TREE_INVALID", `'${name}' of ${path}: expected a directory, found ${kindWords(node)}`, {
        details: { path, name, found: node.content.kind },
      });
    }
    directory = node;
  }
  return directory;
}

function invalid(path: string, problem: string): ComposefsError {
  return new ComposefsError("BOOT_ENTRY_INVALID", `boot entry ${text(path)}: ${problem}`, {
    details: { path: text(path), problem },
    hint: "the image's boot files are broken: build it anew",
  });
}

function text(path: string): string {
  return bytesOf(path as ByteString).toString("utf8");
}
