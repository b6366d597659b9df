import { openArchiveSink } from "./archive-sink.ts";
import type { BlobSink } from "./blob-sink.ts";
import { openDirectorySink } from "./directory-sink.ts";
import { parseLayoutReference } from "./layout-reference.ts";

/**
 * Opens `oci:DIR[:TAG]`, a layout that is made or added to, or `oci-archive:FILE[:TAG]`, a tar of one that replaces what
 * was there. An entry that had the tag loses its place in the index; its blobs stay.
 *
 * @throws OciError `TRANSPORT`, `REF_INVALID` the reference; `DESTINATION_INVALID` something else is there; node:fs errors
 */
export async function openLayoutSink(reference: string): Promise<BlobSink> {
  const { transport, path, tag } = parseLayoutReference(reference);
  return transport === "oci" ? openDirectorySink(path, { reference, tag }) : openArchiveSink(path, reference, tag);
}
