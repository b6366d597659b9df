import { bytesOf, type Directory, isDirectory, type Leaf, walkTree } from "@composefs/core";

/** Every path but the root with what it is: mode of odd directories, content of files, `=N` for names of one inode. */
export function outline(root: Directory): string[] {
  const inodes = new Map<Leaf, number>();
  const lines: string[] = [];
  for (const { path, node } of walkTree(root)) {
    if (path === "/") continue;
    const name = bytesOf(path).toString("utf8");
    if (isDirectory(node)) {
      lines.push(node.stat.mode === 0o755 ? `${name}/` : `${name}/ ${node.stat.mode.toString(8)}`);
      continue;
    }
    const number = inodes.get(node) ?? inodes.size;
    const again = inodes.has(node) ? ` =${number}` : "";
    inodes.set(node, number);
    lines.push(`${name} ${describeLeaf(node)}${again}`);
  }
  return lines;
}

function describeLeaf({ content }: Leaf): string {
  if (content.kind === "inline") return Buffer.from(content.bytes).toString();
  return content.kind === "symlink" ? `-> ${Buffer.from(content.target).toString()}` : content.kind;
}
