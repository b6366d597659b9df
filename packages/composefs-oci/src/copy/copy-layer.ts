import { type ObjectId, objectPath, parseSplitstream, type Repository, type Splitstream } from "@composefs/core";
import type { OciDigest } from "../digest.ts";
import { OciError } from "../errors.ts";
import { countObject, emptyStats, type StatsCounter } from "../import-stats.ts";
import type { StoredLayer } from "../layer/store-layer.ts";
import { verifyStoredLayer } from "../layer/verify-stored-layer.ts";
import { CONTENT_TYPE, contentId } from "../streams.ts";
import { corruptObject, throwFirstFailure } from "./copy-errors.ts";

/** Files in one call of the addon. */
const BATCH_FILES = 512;

/** Settings of {@link copyLayer}. */
export interface CopyLayerOptions {
  /** Refuse rather than copy what can be neither cloned nor linked. */
  readonly zeroCopy: boolean;
  /** Of an artifact's layers `diffId` is the digest of the blob. */
  readonly kind: "container" | "artifact";
  readonly signal: AbortSignal;
  /** Told how many bytes of the layer are done. */
  readonly onBytes: (done: number) => void;
}

/**
 * Copies a layer's objects and splitstream from one repository to another. Every object is cloned, else copied, and hashed
 * as it gets its name, so a damaged one of the source shows. With `zeroCopy` an object that cannot be cloned is linked:
 * nobody writes to objects. For the same hash the splitstream is the same file; for another one it is written anew. At
 * last the layer is read out of the destination and checked against its diff_id.
 *
 * @param id the layer's splitstream in `source`
 * @throws ComposefsError `OBJECT_CORRUPT`, `OBJECT_NOT_FOUND` of the source; OciError `DIFF_ID_MISMATCH`,
 *   `ZERO_COPY_IMPOSSIBLE`; KernelError; rejects with `signal.reason`
 * @see oci.md §6.6, §11.1, §11.8
 */
export async function copyLayer(
  destination: Repository,
  source: Repository,
  { diffId, id }: { readonly diffId: OciDigest; readonly id: ObjectId },
  options: CopyLayerOptions,
): Promise<StoredLayer> {
  const file = await source.objects.read(id);
  const stream = parseSplitstream(file, source.hash, contentId("layer", diffId));
  const stats = emptyStats();
  const objects = await copyObjects(destination, source, stream, options, stats);
  const copied = destination.hash === source.hash ? file : rewriteStream(destination, stream, objects);
  await checkContent(destination, source, stream, copied, diffId, options);
  options.onBytes(stream.size);
  const stored = await destination.objects.put(copied, `splitstream of layer ${diffId}`);
  return { id: stored, stats: { ...stats, bytesInlined: inlineBytes(stream, objects) } };
}

/** An object of the source in the destination. */
interface CopiedObject {
  readonly id: ObjectId;
  /** Bytes. */
  readonly size: number;
}

async function copyObjects(
  destination: Repository,
  source: Repository,
  stream: Splitstream,
  { zeroCopy, signal, onBytes }: CopyLayerOptions,
  stats: StatsCounter,
): Promise<ReadonlyMap<ObjectId, CopiedObject>> {
  const store = destination.objects.store({ hardlink: zeroCopy, copy: !zeroCopy });
  const sameHash = destination.hash === source.hash;
  const objects = new Map<ObjectId, CopiedObject>();
  const ids = [...new Set(stream.objectRefs)];
  const sizes = await source.objects.sizes(ids);
  let done = 0;
  for (let at = 0; at < ids.length; at += BATCH_FILES) {
    signal.throwIfAborted();
    // Asking for the size of one that is not there says why.
    const batch = ids.slice(at, at + BATCH_FILES).map((id) => ({ id, size: sizes.get(id) ?? source.objects.size(id) }));
    const files = batch.map(({ id, size }) => ({ path: Buffer.from(objectPath(id)), size }));
    const outcomes = await store.storeFiles([source.objects.directory()], files, { signal });
    throwFirstFailure(source, batch, outcomes, signal);
    for (const [i, outcome] of outcomes.entries()) {
      if (!("id" in outcome)) continue;
      const { id, size } = batch[i] as (typeof batch)[number];
      if (sameHash && outcome.id !== id) throw corruptObject(source, id, `its digest is ${outcome.id}`);
      objects.set(id, { id: outcome.id as ObjectId, size });
      countObject(stats, outcome.method, size);
      done += size;
    }
    onBytes(done);
  }
  return objects;
}

/** The stream with the objects' ids of the other hash. */
function rewriteStream(
  destination: Repository,
  stream: Splitstream,
  objects: ReadonlyMap<ObjectId, CopiedObject>,
): Uint8Array {
  const writer = destination.createStream(stream.type);
  for (const part of stream.parts()) {
    if ("inline" in part) {
      writer.inline(part.inline);
      continue;
    }
    const { id, size } = objects.get(part.object) as CopiedObject;
    writer.external(id, size);
  }
  return writer.finish();
}

function inlineBytes(stream: Splitstream, objects: ReadonlyMap<ObjectId, CopiedObject>): number {
  let inline = stream.size;
  for (const part of stream.parts()) if ("object" in part) inline -= (objects.get(part.object) as CopiedObject).size;
  return inline;
}

/**
 * Checks what the copy rebuilds to. A layer that an artifact stores as a tar has a digest of other bytes; there the ids of
 * the objects have to do, which between different hashes nobody has compared yet.
 */
async function checkContent(
  destination: Repository,
  source: Repository,
  stream: Splitstream,
  copied: Uint8Array,
  diffId: OciDigest,
  { kind, signal }: CopyLayerOptions,
): Promise<void> {
  const readSource = async (): Promise<void> => {
    if (destination.hash === source.hash) return;
    for await (const _ of source.readStream(stream, { signal }));
  };
  if ((kind === "container") !== (stream.type === CONTENT_TYPE.layer)) return readSource();
  try {
    await verifyStoredLayer(destination, copied, diffId, { signal });
  } catch (error) {
    // A damaged object is the better explanation.
    if (error instanceof OciError && error.code === "DIFF_ID_MISMATCH") await readSource();
    throw error;
  }
}
