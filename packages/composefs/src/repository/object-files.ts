import type { HashName } from "@composefs/reflink";
import { idLength, isObjectId, type ObjectId } from "../fsverity/object-id.ts";
import { type BytePath, type FileType, listDirectory, typeAt } from "./byte-path.ts";

/** A name in `objects/XX/`. */
export interface ObjectFile {
  /** Path beneath the repository. */
  readonly path: BytePath;
  readonly type: FileType;
  /** The id the name stands for; null for a name that is none, and for what stands in the place of a directory. */
  readonly id: ObjectId | null;
  /** What is wrong with the name; null where the type is. */
  readonly problem: string | null;
}

/**
 * What `objects/00` to `objects/ff` hold, one directory after the other, each sorted bytewise. Other names directly in
 * `objects/` are no objects and are left out. Where something else takes the place of a directory, it alone is listed.
 *
 * @throws KernelError
 */
export function* objectDirectories(repositoryFd: number, hash: HashName): Generator<readonly ObjectFile[]> {
  const top = typeAt(repositoryFd, "objects");
  if (top !== null && listDirectory(repositoryFd, "objects") === null) {
    yield [{ path: "objects", type: top, id: null, problem: null }];
    return;
  }
  for (let byte = 0; byte < 256; byte++) {
    const prefix = byte.toString(16).padStart(2, "0");
    const path = `objects/${prefix}`;
    // Behind a link lie the files of somebody else.
    const items = typeAt(repositoryFd, path) === "Symlink" ? null : listDirectory(repositoryFd, path);
    const type = items === null ? typeAt(repositoryFd, path) : null;
    if (type !== null) yield [objectFile(prefix, type, hash)];
    if (items === null || items.length === 0) continue;
    yield items.map(({ name, type }) => objectFile(`${prefix}/${name}`, type, hash));
  }
}

/** What a path beneath `objects/` is: `XX/name`, or `XX` alone for what stands in the place of that directory. */
export function objectFile(path: BytePath, type: FileType, hash: HashName): ObjectFile {
  const text = path.replace("/", "");
  const isDirectory = text === path;
  const id = !isDirectory && isObjectId(text, hash) ? text : null;
  const problem = isDirectory || id !== null ? null : nameProblem(text, hash);
  return { path: `objects/${path}`, type, id, problem };
}

/** Id that the text of a first-level entry points to; null when it has another form than `../objects/XX/rest`. */
export function idOfLinkText(text: BytePath, hash: HashName): ObjectId | null {
  const match = /^\.\.\/objects\/([0-9a-f]{2})\/([0-9a-f]+)$/.exec(text);
  const id = match ? `${match[1]}${match[2]}` : "";
  return isObjectId(id, hash) ? id : null;
}

function nameProblem(text: string, hash: HashName): string {
  if (text.length !== idLength(hash)) return "Invalid string length";
  const at = text.search(/[^0-9a-f]/) - 2;
  return `Invalid character '${text[at + 2]}' at position ${at}`;
}
