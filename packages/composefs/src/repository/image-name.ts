import type { HashName } from "@composefs/reflink";
import { ComposefsError } from "../errors.ts";
import { idLength } from "../fsverity/object-id.ts";
import { fdPath, readLink } from "./directory.ts";
import { checkRefName } from "./names.ts";
import { listEntries, readRef } from "./refs.ts";

/** Fewest digits that may stand for an id. */
const SHORTEST_PREFIX = 8;

/**
 * Entry of `images/` that a name means: `refs/NAME`, an entry's own name, NAME of a ref, `<hash>:<hex>`, or the first
 * digits, at least eight, of exactly one entry. Null when there is none.
 *
 * @throws ComposefsError `REF_AMBIGUOUS` several entries start with these digits; `REF_INVALID` no name at all
 */
export function resolveImageEntry(repositoryFd: number, hash: HashName, name: string): string | null {
  if (name.startsWith("refs/")) return readRef(repositoryFd, "images", name.slice("refs/".length));
  const components = checkRefName(name);
  if (components.length === 1 && readLink(fdPath(repositoryFd, "images", name)) !== null) return name;
  const ref = readRef(repositoryFd, "images", name);
  if (ref !== null) return ref;
  const match = /^(?:(sha256|sha512):)?([0-9a-f]+)$/.exec(name);
  const digits = match?.[2] ?? "";
  if (match === null || (match[1] ?? hash) !== hash) return null;
  if (digits.length < SHORTEST_PREFIX || digits.length > idLength(hash)) return null;
  const found = listEntries(repositoryFd, "images").filter((entry) => entry.startsWith(digits));
  if (found.length <= 1) return found[0] ?? null;
  throw new ComposefsError("REF_AMBIGUOUS", `image '${name}': ${found.length} images start so: ${found.join(", ")}`, {
    details: { name, candidates: found },
    hint: "give more digits",
  });
}
