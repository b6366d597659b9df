import { lstat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { makeDirectories } from "@composefs/core";
import type { OciDigest } from "../digest.ts";
import { isAbsent } from "../is-absent.ts";
import type { AccessOptions } from "../source/blob-source.ts";
import type { BlobFacts, StoredBlob } from "./blob-sink.ts";
import { gather } from "./gather.ts";
import { MeasuredContent } from "./measured-content.ts";
import { writeAll, writeFile } from "./write-file.ts";

/** Path of a blob in the layout at `directory`. */
function blobPath(directory: string, digest: OciDigest): string {
  return join(directory, "blobs", ...digest.split(":"));
}

/** Whether a layout has the blob, as a regular file and, where `size` is given, with so many bytes. */
export async function hasBlobFile(directory: string, digest: OciDigest, size?: number): Promise<boolean> {
  try {
    const found = await lstat(blobPath(directory, digest));
    return found.isFile() && (size === undefined || found.size === size);
  } catch (error) {
    if (isAbsent(error)) return false;
    throw error;
  }
}

/**
 * Writes a blob into a layout, in pieces as they come. A blob that is there with the right size is kept.
 *
 * @throws OciError `BLOB_DIGEST_MISMATCH`; node:fs errors
 */
export async function writeBlobFile(
  directory: string,
  content: AsyncIterable<Uint8Array>,
  expected: BlobFacts | null,
  { durable, signal }: AccessOptions & { readonly durable: boolean },
): Promise<StoredBlob> {
  if (expected !== null && (await hasBlobFile(directory, expected.digest, expected.size)))
    return { ...expected, present: true };
  const measured = new MeasuredContent(gather(content), expected, `blob ${expected?.digest ?? "(new)"}`);
  let present = false;
  await writeFile(
    directory,
    async (file) => {
      for await (const bytes of measured.pieces()) {
        signal?.throwIfAborted();
        await writeAll(file, bytes);
      }
      const { digest, size } = measured.facts as BlobFacts;
      present = await hasBlobFile(directory, digest, size);
      if (present) return null;
      const path = blobPath(directory, digest);
      makeDirectories(dirname(path));
      return path;
    },
    { durable },
  );
  return { ...(measured.facts as BlobFacts), present };
}
