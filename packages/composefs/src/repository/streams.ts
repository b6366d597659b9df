import type { HashName } from "@composefs/reflink";
import { ComposefsError } from "../errors.ts";
import { type ObjectId, objectPath } from "../fsverity/object-id.ts";
import { fdPath, placeSymlink, readLink } from "./directory.ts";
import { type Category, checkEntryName, checkRefName } from "./names.ts";
import { idOfLinkText } from "./object-files.ts";
import type { Objects } from "./objects.ts";
import { readRef, setRef } from "./refs.ts";

/** Names to give once the objects behind them are on disk. */
export interface Publication {
  /** Entries of `streams/`: content identifier and object. */
  readonly streams?: readonly { readonly contentId: string; readonly id: ObjectId }[];
  /** Refs beneath `streams/refs/`, set after the entries. */
  readonly refs?: readonly { readonly name: string; readonly contentId: string }[];
  /** EROFS images: entries of `images/`, and where they have a name refs beneath `images/refs/`. */
  readonly images?: readonly { readonly id: ObjectId; readonly name?: string | undefined }[];
}

/**
 * Makes stored splitstreams and images visible: objects are synced once, then come the entries in order, then the refs.
 * Objects are synced also when no name is new, as they may have been mended.
 *
 * @returns whether any name changed
 * @throws ComposefsError `REF_INVALID`, before anything is written; `SYNC_FAILED`, before any name is given
 */
export async function publish(repositoryFd: number, publication: Publication, objects: Objects): Promise<boolean> {
  const { streams = [], refs = [], images = [] } = publication;
  const entries = [
    ...streams.map(({ contentId, id }) => ({ category: "streams" as const, entry: checkEntryName(contentId), id })),
    ...images.map(({ id }) => ({ category: "images" as const, entry: id as string, id })),
  ];
  const names: { category: Category; name: string; entry: string }[] = [
    ...refs.map(({ name, contentId }) => ({ category: "streams" as const, name, entry: checkEntryName(contentId) })),
    ...images.flatMap(({ id, name }) => (name === undefined ? [] : [{ category: "images" as const, name, entry: id }])),
  ];
  for (const { name } of names) checkRefName(name);
  const news = entries.filter(
    ({ category, entry, id }) => readLink(fdPath(repositoryFd, category, entry)) !== linkText(id),
  );
  if (news.length > 0 || objects.hasStored) await objects.sync();
  let changed = false;
  for (const { category, entry, id } of news) {
    const target = ["objects", ...objectPath(id).split("/")];
    changed = placeSymlink(repositoryFd, [category, entry], target) || changed;
  }
  for (const { category, name, entry } of names) changed = setRef(repositoryFd, category, name, entry) || changed;
  return changed;
}

/** Id that a first-level entry points to, by its link alone; null when there is none. @throws ComposefsError `REPO_CORRUPT` */
export function entryId(repositoryFd: number, category: Category, entry: string, hash: HashName): ObjectId | null {
  const text = readLink(fdPath(repositoryFd, category, checkEntryName(entry)));
  if (text === null) return null;
  const id = idOfLinkText(text, hash);
  if (id !== null) return id;
  throw new ComposefsError("REPO_CORRUPT", `${category}/${entry} points to '${text}', which is no ${hash} object`, {
    details: { category, entry, text },
    hint: "remove the link and import its source again",
  });
}

/** Id of the splitstream with this content identifier, by its link alone; null when there is none. */
export function streamId(repositoryFd: number, contentId: string, hash: HashName): ObjectId | null {
  return entryId(repositoryFd, "streams", contentId, hash);
}

/**
 * Content identifier that `name` stands for: itself, or what the ref behind `refs/…` points to.
 *
 * @throws ComposefsError `STREAM_NOT_FOUND`, `REF_INVALID`
 */
export function streamOfName(repositoryFd: number, name: string): string {
  const entry = name.startsWith("refs/") ? readRef(repositoryFd, "streams", name.slice("refs/".length)) : name;
  if (entry !== null) return entry;
  throw streamNotFound(name);
}

/** Error for a name that no stream has. */
export function streamNotFound(name: string): ComposefsError {
  return new ComposefsError("STREAM_NOT_FOUND", `stream '${name}' not found`, {
    details: { name },
    hint: "`cfsctl streams ls` lists the streams there are",
  });
}

function linkText(id: ObjectId): string {
  return `../objects/${objectPath(id)}`;
}
