import { readdirSync, unlinkSync } from "node:fs";
import { ComposefsError } from "../errors.ts";
import { atPath, fdPath, hasCode, placeSymlink, readLink } from "./directory.ts";
import { type Category, checkEntryName, checkRefName } from "./names.ts";

/** A ref: a name that keeps an entry alive. */
export interface Ref {
  readonly name: string;
  /** First-level entry of the category it points to. */
  readonly entry: string;
}

/** Points ref `name` to a first-level entry. @returns false when it did already. @throws ComposefsError `REF_INVALID` */
export function setRef(repositoryFd: number, category: Category, name: string, entry: string): boolean {
  return placeSymlink(repositoryFd, [category, "refs", ...checkRefName(name)], [category, checkEntryName(entry)]);
}

/** First-level entry that ref `name` points to; null when there is no such ref. @throws ComposefsError `REF_INVALID` */
export function readRef(repositoryFd: number, category: Category, name: string): string | null {
  return entryOf(readLink(fdPath(repositoryFd, category, "refs", ...checkRefName(name))));
}

/** Removes a ref. @throws ComposefsError `REF_NOT_FOUND`, `REF_INVALID` */
export function deleteRef(repositoryFd: number, category: Category, name: string): void {
  const path = fdPath(repositoryFd, category, "refs", ...checkRefName(name));
  try {
    unlinkSync(path);
  } catch (error) {
    if (!hasCode(error, "ENOENT", "ENOTDIR", "EISDIR", "EPERM")) throw atPath(error, `${category}/refs/${name}`);
    throw new ComposefsError("REF_NOT_FOUND", `there is no ref '${name}' in ${category}/refs`, {
      details: { name, category },
      hint: `\`cfsctl ${category === "images" ? "images" : "streams ls"}\` lists the names there are`,
      cause: atPath(error, `${category}/refs/${name}`),
    });
  }
}

/** All refs beneath `prefix` (names relative to it), sorted bytewise; strays that are no refs are left out. */
export function listRefs(repositoryFd: number, category: Category, prefix = ""): Ref[] {
  const start = [category, "refs", ...(prefix === "" ? [] : checkRefName(prefix))];
  const refs: Ref[] = [];
  const walk = (components: readonly string[]): void => {
    let entries: ReturnType<typeof readDirectory>;
    try {
      entries = readDirectory(fdPath(repositoryFd, ...start, ...components));
    } catch (error) {
      if (hasCode(error, "ENOENT", "ENOTDIR", "ELOOP")) return;
      throw atPath(error, [...start, ...components].join("/"));
    }
    for (const item of entries) {
      const path = [...components, item.name];
      if (item.isDirectory()) walk(path);
      else if (item.isSymbolicLink()) {
        const entry = entryOf(readLink(fdPath(repositoryFd, ...start, ...path)));
        if (entry !== null) refs.push({ name: path.join("/"), entry });
      }
    }
  };
  walk([]);
  return refs.sort((a, b) => Buffer.compare(Buffer.from(a.name), Buffer.from(b.name)));
}

/** First-level entries of a category that are links, sorted bytewise. */
export function listEntries(repositoryFd: number, category: Category): string[] {
  let items: ReturnType<typeof readDirectory>;
  try {
    items = readDirectory(fdPath(repositoryFd, category));
  } catch (error) {
    if (hasCode(error, "ENOENT", "ENOTDIR", "ELOOP")) return [];
    throw atPath(error, category);
  }
  const names = items.filter((item) => item.isSymbolicLink()).map(({ name }) => name);
  return names.sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
}

function readDirectory(path: string) {
  return readdirSync(path, { withFileTypes: true });
}

// Only the last component of a ref's text counts, as for garbage collection (repository.md §1).
function entryOf(text: string | null): string | null {
  const entry = text?.split("/").at(-1) ?? "";
  return entry === "" || entry === "." || entry === ".." ? null : entry;
}
