import { ComposefsError } from "../errors.ts";
import { type ByteString, byteString, type Directory, isDirectory, type TreeNode } from "./node.ts";

/**
 * The node at a path. The path may be relative, always to the root; empty components and `.` are passed over, so `/`,
 * `.` and the empty path name the root (cli.md D13). Symlinks are not followed.
 *
 * @throws ComposefsError `PATH_INVALID` a `..` component or a NUL byte; `PATH_NOT_FOUND` with the details `path` and
 * `missing`, the part that is not there or not a directory
 */
export function lookup(root: Directory, path: Uint8Array): TreeNode {
  let node: TreeNode = root;
  const parts = byteString(path)
    .split("/")
    .filter((part) => part !== "" && part !== ".") as ByteString[];
  for (const [index, part] of parts.entries()) {
    if (part === ".." || part.includes("\0")) {
      throw new ComposefsError("PATH_INVALID", `${shown(path)}: ${part === ".." ? "'..' is not taken" : "NUL byte"}`, {
        details: { path: text(path) },
        hint: "write the path from the root without '..'",
      });
    }
    const child: TreeNode | undefined = isDirectory(node) ? node.entries.get(part) : undefined;
    if (child === undefined)
      throw notFound(path, parts.slice(0, isDirectory(node) ? index + 1 : index), isDirectory(node));
    node = child;
  }
  return node;
}

function notFound(path: Uint8Array, parts: readonly string[], inDirectory: boolean): ComposefsError {
  const missing = text(Buffer.from(`/${parts.join("/")}`, "latin1"));
  const what = inDirectory ? "does not exist" : "is not a directory";
  return new ComposefsError("PATH_NOT_FOUND", `${shown(path)}: ${JSON.stringify(missing)} ${what}`, {
    details: { path: text(path), missing },
  });
}

function text(path: Uint8Array): string {
  return Buffer.from(path).toString("utf8");
}

function shown(path: Uint8Array): string {
  return JSON.stringify(text(path));
}
