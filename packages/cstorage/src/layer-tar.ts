import { createHash } from "node:crypto";
import { crc64 } from "@composefs/reflink";
import { CstorageError } from "./errors.ts";
import { fileFailure } from "./file-failure.ts";
import { readLargeFile } from "./large-file.ts";
import type { LayerBatch, LayerFile } from "./layer-batch.ts";
import type { LayerContent } from "./layer-content.ts";
import type { StoreLayer } from "./store-layer.ts";

/** Settings of {@link layerTar}. */
export interface LayerTarOptions {
  /** `crc` checks each file, `diffid` also the whole tar against the layer's diff id, at its end; default `crc`. */
  readonly verify?: "crc" | "diffid" | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Longest wait for the store's lock in milliseconds; default 60,000. */
  readonly lockTimeoutMs?: number | undefined;
}

/** Larger files are streamed. */
const SMALL_FILE_BYTES = 1024 * 1024;
/** Content of small files held at a time. */
const GROUP_BYTES = 8 * 1024 * 1024;

/**
 * Rebuilds a layer's tar byte for byte from the store. The tar is right only if the generator ends without error. The
 * layer stays locked until then.
 *
 * @throws CstorageError as {@link StoreLayer.open} and {@link LayerContent.batches}, and `FILE_NOT_FOUND`,
 *   `NOT_REGULAR_FILE`, `UNSAFE_PATH`, `SIZE_MISMATCH`, `CONTENT_CHECKSUM_MISMATCH`, `PERMISSION_DENIED`,
 *   `DIFF_ID_MISMATCH`; KernelError the file system failed
 */
export async function* layerTar(
  layer: StoreLayer,
  options: LayerTarOptions = {},
): AsyncGenerator<Uint8Array, void, undefined> {
  const { signal, lockTimeoutMs } = options;
  const [algorithm, expected] = layer.diffId.split(":", 2);
  const hash = options.verify === "diffid" ? createHash(algorithm as string) : null;
  const content = await layer.open({ signal, lockTimeoutMs });
  try {
    for await (const batch of content.batches({ signal })) {
      try {
        for await (const bytes of batchBytes(content, batch)) {
          signal?.throwIfAborted();
          hash?.update(bytes);
          yield bytes;
        }
      } finally {
        batch.content.release();
      }
    }
  } finally {
    await content.close();
  }
  const actual = hash?.digest("hex") ?? expected;
  if (actual !== expected) {
    const found = `${algorithm}:${actual}`;
    throw new CstorageError("DIFF_ID_MISMATCH", `layer ${layer.id}: expected ${layer.diffId}, found ${found}`, {
      details: { layer: layer.id, expected: layer.diffId, actual: found },
    });
  }
}

async function* batchBytes(content: LayerContent, batch: LayerBatch): AsyncGenerator<Uint8Array> {
  let group: readonly Uint8Array[] = [];
  let groupStart = 0;
  for (const chunk of batch.chunks) {
    if ("inline" in chunk) {
      yield chunk.inline;
      continue;
    }
    const index = chunk.external - batch.firstFile;
    const file = batch.files[index] as LayerFile;
    if (file.size > SMALL_FILE_BYTES) {
      yield* readLargeFile(content, file, await batch.content.open(index));
      continue;
    }
    if (index >= groupStart + group.length) {
      group = await readSmallFiles(content, batch, index);
      groupStart = index;
    }
    yield group[index - groupStart] as Uint8Array;
  }
}

/** Contents of the small files from the one at `first` on, as many as fit in a group. */
async function readSmallFiles(layer: LayerContent, batch: LayerBatch, first: number): Promise<Uint8Array[]> {
  const { files } = batch;
  const outcomes = await batch.content.read(first, endOfGroup(files, first), SMALL_FILE_BYTES);
  return outcomes.map((outcome, i) => {
    const file = files[first + i] as LayerFile;
    if ("failure" in outcome) throw fileFailure(layer, file, outcome.failure) ?? outcome.failure.error;
    if (!("inline" in outcome)) throw new TypeError(`reading gave no content but an object`);
    if (file.crc64 !== null && Buffer.compare(crc64(outcome.inline), file.crc64) !== 0) {
      throw fileFailure(layer, file, { step: "crc", error: null, actualSize: file.size });
    }
    return outcome.inline;
  });
}

function endOfGroup(files: readonly LayerFile[], first: number): number {
  let bytes = 0;
  let end = first;
  for (; end < files.length; end++) {
    const { size } = files[end] as LayerFile;
    bytes += size;
    if (size > SMALL_FILE_BYTES || (bytes > GROUP_BYTES && end > first)) break;
  }
  return end;
}
