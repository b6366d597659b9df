import { type HashName, syncfs } from "@composefs/reflink";
import { ComposefsError } from "../errors.ts";
import { isObjectId, type ObjectId, objectPath } from "../fsverity/object-id.ts";
import { fdPath, placeSymlink, readLink } from "./directory.ts";
import { checkEntryName, checkRefName } from "./names.ts";
import { readRef, setRef } from "./refs.ts";

/** Names to give once the objects behind them are on disk. */
export interface Publication {
  /** Entries of `streams/`: content identifier and object. */
  readonly streams?: readonly { readonly contentId: string; readonly id: ObjectId }[];
  /** Refs beneath `streams/refs/`, set after the entries. */
  readonly refs?: readonly { readonly name: string; readonly contentId: string }[];
}

/**
 * Makes stored splitstreams visible: syncfs once, then the entries in order, then the refs.
 *
 * @returns whether any name changed
 * @throws ComposefsError `REF_INVALID`, before anything is written
 */
export async function publish(repositoryFd: number, publication: Publication): Promise<boolean> {
  const { streams = [], refs = [] } = publication;
  for (const { contentId } of [...streams, ...refs]) checkEntryName(contentId);
  for (const { name } of refs) checkRefName(name);
  const news = streams.filter(
    ({ contentId, id }) => readLink(fdPath(repositoryFd, "streams", contentId)) !== linkText(id),
  );
  if (news.length > 0) await syncfs(repositoryFd);
  let changed = false;
  for (const { contentId, id } of news) {
    const target = ["objects", ...objectPath(id).split("/")];
    changed = placeSymlink(repositoryFd, ["streams", contentId], target) || changed;
  }
  for (const { name, contentId } of refs) changed = setRef(repositoryFd, "streams", name, contentId) || changed;
  return changed;
}

/** Id of the splitstream with this content identifier, by its link alone; null when there is none. */
export function streamId(repositoryFd: number, contentId: string, hash: HashName): ObjectId | null {
  const text = readLink(fdPath(repositoryFd, "streams", checkEntryName(contentId)));
  if (text === null) return null;
  const match = /^\.\.\/objects\/([0-9a-f]{2})\/([0-9a-f]+)$/.exec(text);
  const id = match ? `${match[1]}${match[2]}` : "";
  if (isObjectId(id, hash)) return id;
  throw new ComposefsError("REPO_CORRUPT", `streams/${contentId} points to '${text}', which is no ${hash} object`, {
    details: { contentId, text },
    hint: "remove the link and import its source again",
  });
}

/**
 * Content identifier that `name` stands for: itself, or what the ref behind `refs/…` points to.
 *
 * @throws ComposefsError `STREAM_NOT_FOUND`, `REF_INVALID`
 */
export function resolveStreamName(repositoryFd: number, name: string): string {
  const entry = name.startsWith("refs/") ? readRef(repositoryFd, "streams", name.slice("refs/".length)) : name;
  if (entry !== null) return entry;
  throw streamNotFound(name);
}

/** Error for a name that no stream has. */
export function streamNotFound(name: string): ComposefsError {
  return new ComposefsError("STREAM_NOT_FOUND", `stream '${name}' not found`, {
    details: { name },
    hint: "give a content identifier such as oci-layer-sha256:…, or refs/<name>",
  });
}

function linkText(id: ObjectId): string {
  return `../objects/${objectPath(id)}`;
}
