import type { Repository } from "@composefs/core";
import { OciError } from "../errors.ts";
import { findJsonStream, readJsonStream } from "../image/json-stream.ts";
import type { Descriptor } from "../image/manifest.ts";
import type { AccessOptions, BlobSource } from "./blob-source.ts";
import { VerifiedBlob } from "./verified-blob.ts";

/** Registries take 4 MiB; documents are read whole. */
const MAX_DOCUMENT_BYTES = 16 * 1024 * 1024;

/** Bytes of documents that are remembered: an index can list ten thousands to look into. */
const MAX_HELD_BYTES = 4 * MAX_DOCUMENT_BYTES;

/** What a document is. */
type DocumentKind = "manifest" | "config" | "index";

/**
 * The exact bytes of a manifest, config or index; rejects with OciError `BLOB_DIGEST_MISMATCH` other bytes than the
 * descriptor says; `MANIFEST_INVALID` too large; of the source.
 */
export type ReadDocument = (descriptor: Descriptor, kind: DocumentKind) => Promise<Uint8Array>;

/** A reader of a source's documents that asks for none of the last ones twice, and for none that the repository has. */
export function documentReader(repository: Repository, source: BlobSource, options: AccessOptions): ReadDocument {
  const known = new Map<string, { readonly bytes: Promise<Uint8Array>; readonly size: number }>();
  let held = 0;
  return (descriptor, kind) => {
    const { digest, size } = descriptor;
    const key = `${kind} ${digest} ${size}`;
    const found = known.get(key);
    if (found !== undefined) return found.bytes;
    for (const [oldest, document] of known) {
      if (held + size <= MAX_HELD_BYTES) break;
      known.delete(oldest);
      held -= document.size;
    }
    const bytes = readDocument(repository, source, descriptor, kind, options);
    known.set(key, { bytes, size });
    held += size;
    return bytes;
  };
}

async function readDocument(
  repository: Repository,
  source: BlobSource,
  descriptor: Descriptor,
  kind: DocumentKind,
  options: AccessOptions,
): Promise<Uint8Array> {
  const { digest, size } = descriptor;
  if (size > MAX_DOCUMENT_BYTES) {
    throw new OciError(
      "MANIFEST_INVALID",
      `${kind} ${digest} has ${size} bytes, at most ${MAX_DOCUMENT_BYTES} are read`,
      {
        details: { digest, size, limit: MAX_DOCUMENT_BYTES },
        hint: "no image needs so much",
      },
    );
  }
  if (kind !== "index") {
    const stored = await findJsonStream(repository, kind, digest);
    if (stored?.size === size) return readJsonStream(repository, stored, kind, digest);
  }
  const content = kind === "config" ? source.readBlob(descriptor, options) : manifestBytes(source, descriptor, options);
  const blob = new VerifiedBlob(content, descriptor, kind);
  try {
    const pieces: Uint8Array[] = [];
    for await (const piece of blob.read()) pieces.push(piece);
    return Buffer.concat(pieces);
  } finally {
    await blob.close();
  }
}

async function* manifestBytes(source: BlobSource, descriptor: Descriptor, options: AccessOptions) {
  yield await source.readManifest(descriptor, options);
}
