import { readdirSync } from "node:fs";
import type { HashName } from "@composefs/reflink";
import { ComposefsError } from "../errors.ts";
import { isObjectId, type ObjectId } from "../fsverity/object-id.ts";
import { fdPath, hasCode } from "./directory.ts";

/** Fewest digits that may stand for an id; the name of the directory it lies in is the first two. */
const SHORTEST_PREFIX = 8;
const DIRECTORY_DIGITS = 2;

/**
 * Id that a name means: an id as hexadecimal digits, with or without `sha256:` or `sha512:` before it, whether the object
 * is there or not; or the first digits, at least eight, of exactly one object.
 *
 * @throws ComposefsError `DIGEST_INVALID` neither; `OBJECT_NOT_FOUND`, `REF_AMBIGUOUS` no or several objects start so
 */
export function resolveObject(repositoryFd: number, hash: HashName, name: string): ObjectId {
  const match = /^(?:(sha256|sha512):)?([0-9a-f]+)$/.exec(name);
  const digits = match?.[2] ?? "";
  if ((match?.[1] ?? hash) === hash && isObjectId(digits, hash)) return digits;
  if (match === null || (match[1] ?? hash) !== hash || digits.length < SHORTEST_PREFIX) {
    throw new ComposefsError("DIGEST_INVALID", `'${name}' is no ${hash} object id`, {
      details: { name, hash },
      hint: `give the digits of the id, at least the first ${SHORTEST_PREFIX}`,
    });
  }
  const found = objectsStarting(repositoryFd, digits).filter((id) => isObjectId(id, hash));
  if (found.length === 1) return found[0] as ObjectId;
  if (found.length === 0) {
    throw new ComposefsError("OBJECT_NOT_FOUND", `no object starts with ${digits}`, { details: { name } });
  }
  throw new ComposefsError("REF_AMBIGUOUS", `${found.length} objects start with ${digits}: ${found.join(", ")}`, {
    details: { name, candidates: found },
    hint: "give more digits",
  });
}

function objectsStarting(repositoryFd: number, digits: string): string[] {
  const directory = digits.slice(0, DIRECTORY_DIGITS);
  try {
    const names = readdirSync(fdPath(repositoryFd, "objects", directory));
    return names
      .map((rest) => directory + rest)
      .filter((id) => id.startsWith(digits))
      .sort();
  } catch (error) {
    if (hasCode(error, "ENOENT", "ENOTDIR")) return [];
    throw error;
  }
}
