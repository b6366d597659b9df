import type { ObjectId, Repository, StoreFailure } from "@composefs/core";
import { storeError } from "@composefs/core/import";
import { fileFailure, type LayerFile, type StoreLayer } from "@composefs/cstorage";
import { OciError } from "../errors.ts";
import type { ImportStats } from "../import-stats.ts";
import { CONTENT_TYPE } from "../streams.ts";
import { fileOfLayer } from "./layer-errors.ts";
import type { LayerListener } from "./layer-listener.ts";
import { INLINE_MAX_BYTES, LayerWriter } from "./layer-writer.ts";
import { verifyStoredLayer } from "./verify-stored-layer.ts";

/**
 * What is checked of a layer in a containers-storage besides sizes, file types and total length: each file's tar-split
 * checksum, also the digest of the whole tar, or nothing more.
 */
export type StoreVerification = "crc" | "diffid" | "none";

/** Settings of {@link importStoreLayer}. */
export interface ImportStoreLayerOptions {
  readonly verify?: StoreVerification | undefined;
  readonly hardlink?: boolean | undefined;
  /** Copy what can be neither cloned nor linked; default true. */
  readonly copy?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Longest wait for podman's lock in milliseconds. */
  readonly lockTimeoutMs?: number | undefined;
  /** Told how many bytes of the tar are done. */
  readonly onBytes?: ((done: number) => void) | undefined;
  readonly listener?: LayerListener | undefined;
  /** Calls `read`, which reads the layer, when it is this layer's turn; by default at once. */
  readonly inTurn?: ((read: () => Promise<void>) => Promise<void>) | undefined;
}

/** A layer whose splitstream is stored but has no name yet. */
export interface StoredLayer {
  readonly id: ObjectId;
  readonly stats: ImportStats;
  /** Its tar is known not to have the diff_id, and was taken all the same: it must not be found by that name. */
  readonly isMisnamed?: boolean | undefined;
}

/**
 * Imports a layer of a containers-storage: its files become objects, by reflink where the file systems can, and its
 * splitstream is stored. The stream gets no name; publish it when the whole image is there.
 *
 * @throws CstorageError of the source, with layer and path; KernelError of the repository; `OciError` `DIFF_ID_MISMATCH`
 *   with `verify: "diffid"`; rejects with `signal.reason`
 * @see containers-storage.md §7
 */
export async function importStoreLayer(
  repository: Repository,
  layer: StoreLayer,
  options: ImportStoreLayerOptions = {},
): Promise<StoredLayer> {
  const { signal, verify = "crc", onBytes, listener, inTurn = (read) => read() } = options;
  const store = repository.objects.store({ hardlink: options.hardlink ?? false, copy: options.copy ?? true });
  const stream = repository.createStream(CONTENT_TYPE.layer);
  const content = await layer.open({ signal, lockTimeoutMs: options.lockTimeoutMs });
  const toError = (file: LayerFile, failure: StoreFailure): Error => {
    if (failure.step === "cancelled") return cancellation(signal);
    if (failure.step === "copy-refused") return copyRefused(layer, file);
    return fileFailure(layer, file, failure) ?? storeError(failure, fileOfLayer(layer.diffId, file.path));
  };
  const writer = new LayerWriter(stream, layer.diffId, toError, listener && ((part) => listener.onPart(part)));
  const wanted = ({ size }: LayerFile) => ({ checkCrc: verify !== "none", inline: size <= INLINE_MAX_BYTES });
  const read = async (): Promise<void> => {
    for await (const batch of content.batches({ signal })) {
      const outcomes = batch.content.store(store, wanted, { signal });
      await writer.submit({ ...batch, outcomes });
      onBytes?.(stream.size);
    }
  };
  let stats: ImportStats;
  try {
    await inTurn(read);
    stats = await writer.finish();
    onBytes?.(stream.size);
  } finally {
    await writer.drain();
    await content.close();
  }
  const file = stream.finish();
  if (verify === "diffid") await verifyStoredLayer(repository, file, layer.diffId, { signal });
  const id = await repository.objects.put(file, `splitstream of layer ${layer.diffId}`);
  return { id, stats };
}

/** The layer's first file could be shared, which was tried before; this one lies elsewhere. */
function copyRefused(layer: StoreLayer, file: LayerFile): OciError {
  return new OciError(
    "ZERO_COPY_IMPOSSIBLE",
    `${fileOfLayer(layer.diffId, file.path)} cannot be shared without copying`,
    {
      details: { layer: layer.diffId, path: Buffer.from(file.path).toString("utf8") },
      hint: "leave --zero-copy out to copy the files",
    },
  );
}

function cancellation(signal: AbortSignal | undefined): Error {
  const reason: unknown = signal?.reason;
  return reason instanceof Error ? reason : new Error("import cancelled", { cause: reason });
}
