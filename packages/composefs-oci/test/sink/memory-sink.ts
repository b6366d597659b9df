import { createHash } from "node:crypto";
import { buffer } from "node:stream/consumers";
import type { OciDigest } from "../../src/digest.ts";
import type { BlobSink } from "../../src/sink/blob-sink.ts";

/** A sink that keeps everything, and in what order it came. */
export interface MemorySink extends BlobSink {
  readonly blobs: Map<OciDigest, Buffer>;
  readonly manifests: { readonly kind: "image" | "referrer"; readonly mediaType: string; readonly bytes: Buffer }[];
  readonly events: string[];
}

export function memorySink(): MemorySink {
  const blobs = new Map<OciDigest, Buffer>();
  const manifests: MemorySink["manifests"] = [];
  const events: string[] = [];
  return {
    reference: "memory:",
    blobs,
    manifests,
    events,
    hasBlob: async (digest, options) => {
      const found = blobs.get(digest);
      return found !== undefined && (options?.size === undefined || options.size === found.length);
    },
    putBlob: async (open, expected) => {
      const bytes = await buffer(open());
      const digest = `sha256:${createHash("sha256").update(bytes).digest("hex")}` as OciDigest;
      if (expected !== null && (digest !== expected.digest || bytes.length !== expected.size)) {
        throw Object.assign(new Error("mismatch"), { code: "BLOB_DIGEST_MISMATCH" });
      }
      blobs.set(digest, bytes);
      events.push(`blob ${digest}`);
      return { digest, size: bytes.length };
    },
    putManifest: async ({ mediaType, digest }, bytes) => {
      manifests.push({ kind: "image", mediaType, bytes: Buffer.from(bytes) });
      events.push(`manifest ${digest}`);
    },
    putReferrer: async ({ mediaType, digest }, bytes) => {
      manifests.push({ kind: "referrer", mediaType, bytes: Buffer.from(bytes) });
      events.push(`referrer ${digest}`);
    },
    finish: async () => {
      events.push("finish");
    },
    close: async () => undefined,
  };
}
