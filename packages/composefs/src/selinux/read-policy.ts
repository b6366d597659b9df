import { ComposefsError } from "../errors.ts";
import type { ObjectId } from "../fsverity/object-id.ts";
import { type ByteString, byteString, type Directory, isDirectory, kindWords, type TreeNode } from "../tree/node.ts";
import { type FileRule, parseFileContexts } from "./file-contexts.ts";
import { invalidPolicy, trimmed, utf8Text } from "./policy-lines.ts";
import { parseSubstitutions, type Substitutions } from "./substitutions.ts";

/** What a tree says of its labels. */
export interface Policy {
  /** Rules in reading order. */
  readonly rules: readonly FileRule[];
  readonly substitutions: Substitutions;
}

/** Reads a file of the tree that is an object; `path` is that beneath the root. */
export type ReadObject = (id: ObjectId, path: string) => Promise<Uint8Array>;

const DIRECTORY = "/etc/selinux";
/** Longest file of a policy that is read; that of Fedora has half a megabyte. */
const MAX_FILE_BYTES = 4 * 2 ** 20;
/** Most rules of all files together; Fedora has 6,500. */
const MAX_RULES = 200_000;
const CONTEXTS = ["file_contexts", "file_contexts.local", "file_contexts.homedirs"];
const SUBSTITUTIONS = ["file_contexts.subs", "file_contexts.subs_dist"];

/**
 * Reads the SELinux policy that `/etc/selinux/config` of a tree names; null when there is none. Symlinks are not followed.
 *
 * @throws ComposefsError `TREE_INVALID` something on the way is no directory or no regular file;
 *   `SELINUX_POLICY_INVALID`; errors of `readObject`
 * @see oci.md §6.1
 */
export async function readPolicy(root: Directory, readObject: ReadObject): Promise<Policy | null> {
  const config = await readFile(root, `${DIRECTORY}/config`, readObject);
  const type = config === null ? null : policyType(config);
  if (type === null) return null;
  if (type === "." || type === ".." || type.includes("/") || type.includes("\0")) {
    throw invalidPolicy(`${DIRECTORY}/config`, undefined, `SELINUXTYPE ${JSON.stringify(type)} is no name`);
  }
  const files = `${DIRECTORY}/${type === "" ? "" : `${type}/`}contexts/files`;
  const rules: FileRule[] = [];
  for (const name of CONTEXTS) {
    const path = `${files}/${name}`;
    const bytes = await readFile(root, path, readObject);
    if (bytes === null && name === CONTEXTS[0]) {
      throw invalidPolicy(path, undefined, `it does not exist, but ${DIRECTORY}/config names the policy '${type}'`);
    }
    if (bytes === null) continue;
    for (const rule of parseFileContexts(bytes, path)) {
      if (rules.push(rule) > MAX_RULES) throw tooManyRules(path, rule.line);
    }
  }
  const substitutions = new Map<ByteString, ByteString>();
  for (const name of SUBSTITUTIONS) {
    const path = `${files}/${name}`;
    const bytes = await readFile(root, path, readObject);
    if (bytes === null) continue;
    for (const [alias, original] of parseSubstitutions(bytes, path)) substitutions.set(alias, original);
  }
  return { rules, substitutions };
}

function tooManyRules(path: string, line: number): ComposefsError {
  return new ComposefsError("SELINUX_UNSUPPORTED", `${path}, line ${line}: more than ${MAX_RULES} rules`, {
    details: { path, line, limit: MAX_RULES },
    hint: "no policy needs so many: look what made the file",
  });
}

/**
 * Policy that the bytes of `/etc/selinux/config` name in their first `SELINUXTYPE` line, whatever the case of that; null:
 * none.
 *
 * @throws ComposefsError `SELINUX_POLICY_INVALID` what stands before that line is not UTF-8
 */
function policyType(config: Uint8Array): string | null {
  const path = `${DIRECTORY}/config`;
  for (let start = 0; start < config.length; ) {
    const newline = config.indexOf(0x0a, start);
    const end = newline < 0 ? config.length : newline;
    // Only to the line that counts: what follows that is never looked at.
    const line = utf8Text(config.subarray(start, end), path);
    const equals = line.indexOf("=");
    if (equals >= 0 && /^SELINUXTYPE$/i.test(trimmed(line.slice(0, equals)))) return trimmed(line.slice(equals + 1));
    start = end + 1;
  }
  return null;
}

/** Bytes of a regular file of the tree; null when it or a directory above does not exist. */
async function readFile(root: Directory, path: string, readObject: ReadObject): Promise<Uint8Array | null> {
  let node: TreeNode = root;
  for (const [depth, name] of path.slice(1).split("/").entries()) {
    if (!isDirectory(node))
      throw wrongKind(
        path
          .split("/")
          .slice(0, depth + 1)
          .join("/"),
        "a directory",
        node,
      );
    const child: TreeNode | undefined = node.entries.get(byteString(Buffer.from(name)));
    if (child === undefined) return null;
    node = child;
  }
  if (isDirectory(node)) throw wrongKind(path, "a regular file", node);
  const { content } = node;
  const size = content.kind === "external" ? content.size : content.kind === "inline" ? content.bytes.length : 0;
  if (size > MAX_FILE_BYTES) throw invalidPolicy(path, undefined, `${size} bytes, expected at most ${MAX_FILE_BYTES}`);
  if (content.kind === "inline") return content.bytes;
  if (content.kind === "external") return await readObject(content.id, path);
  throw wrongKind(path, "a regular file", node);
}

function wrongKind(path: string, expected: string, node: TreeNode): ComposefsError {
  const found = isDirectory(node) ? "directory" : node.content.kind;
  return new ComposefsError("TREE_INVALID", `${path}: expected ${expected}, found ${kindWords(node)}`, {
    details: { path, found },
    ...(found === "symlink" ? { hint: "symlinks are not followed to the SELinux policy" } : {}),
  });
}
