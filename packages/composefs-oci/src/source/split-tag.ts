import { stat } from "node:fs/promises";
import { isAbsent } from "../is-absent.ts";

/** A place on disk and what is wanted of it. */
export interface TaggedPath {
  readonly path: string;
  /** What stands after the path's colon; null without a colon. */
  readonly tag: string | null;
}

/**
 * Cuts `PATH[:TAG]`. composefs-rs cuts at the last colon unless a slash follows, skopeo at the first; where the one gives
 * no existing path the other is tried, so that `oci:dir:quay.io/app:1` works.
 *
 * @param first whose way is tried first
 * @see oci.md §1.3
 */
export async function splitTag(text: string, first: "last-colon" | "first-colon"): Promise<TaggedPath> {
  const ways = [cutLastColon(text), cut(text, text.indexOf(":"))];
  if (first === "first-colon") ways.reverse();
  for (const way of ways) if (await exists(way.path)) return way;
  return ways[0] as TaggedPath;
}

/** Cuts at the last colon, unless a slash follows it. */
export function cutLastColon(text: string): TaggedPath {
  const colon = text.lastIndexOf(":");
  return cut(text, text.includes("/", colon) ? -1 : colon);
}

function cut(text: string, colon: number): TaggedPath {
  return colon < 0 ? { path: text, tag: null } : { path: text.slice(0, colon), tag: text.slice(colon + 1) };
}

async function exists(path: string): Promise<boolean> {
  try {
    await stat(path);
    return true;
  } catch (error) {
    if (isAbsent(error) || (error as NodeJS.ErrnoException).code === "ENAMETOOLONG") return false;
    throw error;
  }
}
