import type { HashName } from "@composefs/reflink";
import { ComposefsError } from "../errors.ts";
import { idLength } from "../fsverity/object-id.ts";
import { fdPath, readLink } from "./directory.ts";
import { checkRefName } from "./names.ts";
import { idOfLinkText } from "./object-files.ts";
import { listEntries, readRef } from "./refs.ts";

/** Fewest digits that may stand for an id. */
const SHORTEST_PREFIX = 8;

/**
 * Entry of `streams/` that a name means: `refs/NAME`, an entry's own name, NAME of a ref, or of the splitstream's id
 * `<hash>:<hex>`, hex, or the first digits, at least eight. Null when there is none.
 *
 * @throws ComposefsError `REF_AMBIGUOUS` the ids of several streams start with these digits; `REF_INVALID` no name at all
 * @see cli.md D10
 */
export function resolveStreamEntry(repositoryFd: number, hash: HashName, name: string): string | null {
  if (name.startsWith("refs/")) return readRef(repositoryFd, "streams", name.slice("refs/".length));
  const components = checkRefName(name);
  const textOf = (entry: string): string | null => readLink(fdPath(repositoryFd, "streams", entry));
  if (components.length === 1 && name !== "refs" && textOf(name) !== null) return name;
  const ref = readRef(repositoryFd, "streams", name);
  if (ref !== null) return ref;
  const match = /^(?:(sha256|sha512):)?([0-9a-f]+)$/.exec(name);
  const digits = match?.[2] ?? "";
  if (match === null || (match[1] ?? hash) !== hash) return null;
  if (digits.length < SHORTEST_PREFIX || digits.length > idLength(hash)) return null;
  const entries = listEntries(repositoryFd, "streams").filter((entry) =>
    idOfLinkText(textOf(entry) ?? "", hash)?.startsWith(digits),
  );
  const ids = new Set(entries.map(textOf));
  if (ids.size <= 1) return entries[0] ?? null;
  throw new ComposefsError("REF_AMBIGUOUS", `'${name}': the ids of ${ids.size} streams start so`, {
    details: { name, candidates: entries },
    hint: "give more digits",
  });
}
