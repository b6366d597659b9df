import { constants, openSync } from "node:fs";
import { type HashName, KernelError, listObjects, type ObjectListing } from "@composefs/reflink";
import { idLength, isObjectId, type ObjectId } from "../fsverity/object-id.ts";
import { type BytePath, compareBytes, type FileType, onDisk, typeAt } from "./byte-path.ts";
import { atPath, hasCode } from "./directory.ts";

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

/** What `objects/00` to `objects/ff` hold. */
export interface StoredObjects {
  /** Digests, raw one after the other and ascending, of the objects that are regular files. */
  readonly digests: Buffer;
  /** Everything else, sorted bytewise by path. */
  readonly others: readonly ObjectFile[];
}

/**
 * Opens `objects/`, which may be a symlink to another disk, say.
 *
 * @returns null where there is no directory; the descriptor is the caller's to close
 * @throws node:fs errors
 */
export function openObjects(repositoryFd: number): number | null {
  try {
    return openSync(onDisk(repositoryFd, "objects"), constants.O_RDONLY | constants.O_DIRECTORY);
  } catch (error) {
    if (hasCode(error, "ENOENT", "ENOTDIR", "ELOOP")) return null;
    throw error;
  }
}

/**
 * Lists the objects. Other names directly in `objects/` are none and are left out; where something else takes the place
 * of one of the directories, it is listed.
 *
 * @param directory descriptor of `objects/`
 * @throws KernelError
 */
export async function listStoredObjects(
  repositoryFd: number,
  directory: number,
  hash: HashName,
): Promise<StoredObjects> {
  let listing: ObjectListing;
  try {
    listing = await listObjects(directory, hash);
  } catch (error) {
    throw error instanceof KernelError ? atPath(error, `objects/${error.path}`) : error;
  }
  const others: ObjectFile[] = [];
  for (const path of [...listing.others].sort(compareBytes)) {
    const type = typeAt(repositoryFd, `objects/${path}`);
    if (type !== null) others.push(objectFile(path, type, hash));
  }
  return { digests: listing.ids, others };
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
