import { OciError } from "../errors.ts";
import { cutLastColon, type TaggedPath } from "../source/split-tag.ts";

/** A layout that a reference names. */
export interface LayoutReference extends TaggedPath {
  readonly transport: "oci" | "oci-archive";
}

/** Names that the image specification allows, as far as a reference can give them: no colons and slashes. */
const TAG = /^[A-Za-z0-9]+(?:(?:[-._@+]|--)[A-Za-z0-9]+)*$/;
const MAX_TAG_CHARS = 255;

/**
 * Parses `oci:DIR[:TAG]` or `oci-archive:FILE[:TAG]`: what stands after the last colon is the tag, unless it has a slash.
 *
 * @throws OciError `TRANSPORT` another transport, or no path; `REF_INVALID` the tag
 * @see oci.md §1.3
 */
export function parseLayoutReference(reference: string): LayoutReference {
  const [, transport, rest = ""] = /^(oci|oci-archive):(.*)$/s.exec(reference) ?? [];
  const { path, tag } = cutLastColon(rest);
  if (transport === undefined || path === "" || path.includes("\0")) {
    throw new OciError("TRANSPORT", `'${reference}' names no OCI layout`, {
      details: { reference },
      hint: "write oci:DIR, oci:DIR:TAG, oci-archive:FILE or oci-archive:FILE:TAG",
    });
  }
  if (tag !== null && (tag.length > MAX_TAG_CHARS || !TAG.test(tag))) {
    throw new OciError("REF_INVALID", `tag '${tag}' cannot stand in an OCI layout`, {
      details: { reference, tag },
      hint: "use letters and digits, with single - . _ + or @ between them",
    });
  }
  return { transport: transport as LayoutReference["transport"], path, tag };
}
