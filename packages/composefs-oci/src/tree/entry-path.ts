import type { ByteString } from "@composefs/core";
import { byteString, bytesOf } from "@composefs/core/import";

/** Where an entry goes: names from the root to its parent, and its own; `name` is null for the root itself. */
export interface EntryPlace {
  readonly parents: readonly ByteString[];
  readonly name: ByteString | null;
}

/**
 * Normalises an entry's path: empty and `.` components vanish, a last `..` means the root (oci.md §4.1).
 *
 * @returns null for a path with `..` anywhere else
 */
export function entryPlace(path: ByteString): EntryPlace | null {
  const names = components(path);
  const last = names.pop();
  if (last === undefined || last === "..") return { parents: [], name: null };
  // The tree keeps the name, and a part of a string keeps the whole of it.
  return names.includes(DOT_DOT) ? null : { parents: names, name: byteString(bytesOf(last)) };
}

/** As {@link entryPlace} for the target of a hard link, where `..` has no place at all. */
export function linkTargetPlace(path: ByteString): EntryPlace | null {
  return components(path).includes(DOT_DOT) ? null : entryPlace(path);
}

/** A path as a layer's dump shows it: one leading slash, none at the end, else as it is (oci.md §4.1, §5). */
export function absolutePath(path: ByteString): ByteString {
  const start = path.startsWith("/") ? 1 : 0;
  let end = path.length;
  while (end > start && path[end - 1] === "/") end--;
  return `/${path.slice(start, end)}` as ByteString;
}

const DOT_DOT = ".." as ByteString;

function components(path: ByteString): ByteString[] {
  return path.split("/").filter((name): name is ByteString => name !== "" && name !== ".");
}
