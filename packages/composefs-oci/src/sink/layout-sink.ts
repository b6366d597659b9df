import type { BlobSink } from "./blob-sink.ts";
import { parseLayoutReference } from "./layout-reference.ts";

/**
 * Opens `oci:DIR[:TAG]`, a layout that is made or added to, or `oci-archive:FILE[:TAG]`, a tar of one that replaces what
 * was there. An entry that had the tag loses its place in the index; its blobs stay.
 *
 * @throws OciError `TRANSPORT`, `REF_INVALID` the reference; `DESTINATION_INVALID` something else is there; node:fs errors
 */
export async function openLayoutSink(reference: string): Promise<BlobSink> {
  const { transport, path, tag } = parseLayoutReference(reference);
  if (transport === "oci-archive") {
    const { openArchiveSink } = await import("./archive-sink.ts");
    return openArchiveSink(path, reference, tag);
  }
  const { openDirectorySink } = await import("./directory-sink.ts");
  return openDirectorySink(path, { reference, tag });
}
