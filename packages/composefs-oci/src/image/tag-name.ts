import { OciError } from "../errors.ts";

/** Directory of the tags beneath `streams/refs/`. */
export const TAGS = "oci";

/** Longest file name of the kernel, NAME_MAX. */
const MAX_NAME_BYTES = 255;

/**
 * Ref name (beneath `streams/refs/`) of a tag: `%` and `/` are escaped, nothing else (oci.md §3.5).
 *
 * @throws OciError `REF_INVALID` for what cannot be a tag
 */
export function tagRef(tag: string): string {
  const name = encodeTag(tag);
  const problem = tag.startsWith("@")
    ? "a leading '@' stands for a digest"
    : name === "" || name === "." || name === ".."
      ? "it names no file"
      : name.includes("\0")
        ? "it has a NUL byte"
        : Buffer.byteLength(name) > MAX_NAME_BYTES
          ? `encoded it has more than ${MAX_NAME_BYTES} bytes`
          : null;
  if (problem === null) return `${TAGS}/${name}`;
  throw new OciError("REF_INVALID", `tag '${tag}' is not allowed: ${problem}`, {
    details: { tag },
    hint: "give another name",
  });
}

/**
 * As {@link tagRef}, for a name that somebody chooses: one with `@` would be taken for a digest. Those of pulled images may
 * have it, since the source's reference is their name.
 *
 * @throws OciError `REF_INVALID`
 */
export function givenTagRef(tag: string): string {
  const ref = tagRef(tag);
  if (!tag.includes("@")) return ref;
  throw new OciError("REF_INVALID", `tag '${tag}' is not allowed: '@' stands for a digest`, {
    details: { tag },
    hint: "give a name without '@'",
  });
}

/** Escapes a name for use as one path component. */
export function encodeTag(tag: string): string {
  return tag.replaceAll("%", "%25").replaceAll("/", "%2F");
}

/** Undoes {@link encodeTag}, in one pass; other `%xx` stay as they are. */
export function decodeTag(name: string): string {
  return name.replaceAll(/%2F|%25/g, (escaped) => (escaped === "%2F" ? "/" : "%"));
}
