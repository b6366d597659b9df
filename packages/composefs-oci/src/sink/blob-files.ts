import { lstat, mkdir } from "node:fs/promises";
import { join } from "node:path";
import { digestHash, type OciDigest } from "../digest.ts";
import { OciError } from "../errors.ts";
import type { AccessOptions } from "../source/blob-source.ts";
import type { BlobFacts, StoredBlob } from "./blob-sink.ts";
import { gather } from "./gather.ts";
import { writeAll, writeFile } from "./write-file.ts";

/** Algorithm of blobs whose digest is not known beforehand. */
const USUAL: OciDigest = `sha256:${"0".repeat(64)}` as OciDigest;

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
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return false;
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
  const like = expected?.digest ?? USUAL;
  const hash = digestHash(like);
  let size = 0;
  let stored: StoredBlob | null = null;
  await writeFile(
    directory,
    async (file) => {
      for await (const bytes of gather(content)) {
        signal?.throwIfAborted();
        size += bytes.length;
        if (expected !== null && size > expected.size)
          throw mismatch(expected, `it has more than ${expected.size} bytes`);
        hash.update(bytes);
        await writeAll(file, bytes);
      }
      const digest = `${like.slice(0, like.indexOf(":"))}:${hash.digest("hex")}` as OciDigest;
      if (expected !== null && size !== expected.size)
        throw mismatch(expected, `it has ${size} bytes, expected ${expected.size}`);
      if (expected !== null && digest !== expected.digest)
        throw mismatch(expected, `its content has the digest ${digest}`);
      const present = await hasBlobFile(directory, digest, size);
      stored = { digest, size, present };
      if (present) return null;
      const path = blobPath(directory, digest);
      await mkdir(join(path, ".."), { recursive: true });
      return path;
    },
    { durable },
  );
  return stored as unknown as StoredBlob;
}

function mismatch(expected: BlobFacts, what: string): OciError {
  return new OciError("BLOB_DIGEST_MISMATCH", `blob ${expected.digest}: ${what}`, {
    details: { expected: expected.digest, size: expected.size },
    hint: "what is handed on is not what the image says: check the repository with `cfsctl oci fsck`",
  });
}
