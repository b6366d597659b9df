import { type Directory, isDirectory, type Leaf, objectPath, walkTree } from "@composefs/core";

/** Lines of `composefs-info ls` (erofs-image.md §9.4): every entry but the root, a file's object at its first name only. */
export function* listingLines(root: Directory): Generator<string, void, undefined> {
  const seen = new Set<Leaf>();
  for (const { path, node } of walkTree(root)) {
    if (node === root) continue;
    const name = shown(path);
    if (isDirectory(node)) {
      yield `${name}/\t\n`;
      continue;
    }
    const { content } = node;
    if (content.kind === "symlink") {
      yield `${name}\t-> ${shown(Buffer.from(content.target).toString("latin1"))}\n`;
    } else if (content.kind === "external" && !seen.has(node)) {
      seen.add(node);
      yield `${name}\t@ ${objectPath(content.id)}\n`;
    } else {
      yield `${name}\n`;
    }
  }
}

/** Paths `XX/rest` of the objects of files whose digest the image records, sorted, each once. */
export function externalFiles(root: Directory): string[] {
  const paths = new Set<string>();
  for (const { node } of walkTree(root)) {
    if (!isDirectory(node) && node.content.kind === "external") paths.add(objectPath(node.content.id));
  }
  return [...paths].sort();
}

const ESCAPES: Readonly<Record<string, string>> = { "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t" };

/** Bytes as latin1 text for a line; unlike a dumpfile's a space stays. */
function shown(bytes: string): string {
  return bytes.replace(
    /[^\x20-\x5b\x5d-\x7e]/g,
    (char) => ESCAPES[char] ?? `\\x${char.charCodeAt(0).toString(16).padStart(2, "0")}`,
  );
}
