import { ComposefsError, type ObjectId, type Repository, type Splitstream } from "@composefs/core";
import { TarParser } from "@composefs/tar-header";
import type { OciDigest } from "../digest.ts";
import { OciError } from "../errors.ts";
import { CONTENT_TYPE, contentId } from "../streams.ts";
import { checkEntry } from "./check-entry.ts";
import { inLayer } from "./layer-errors.ts";

/** A stored layer in figures; bytes throughout. */
export interface LayerSummary {
  readonly diffId: OciDigest;
  /** The layer's splitstream. */
  readonly verity: ObjectId;
  /** Length of the tar. */
  readonly size: number;
  readonly entryCount: number;
  readonly splitstream: {
    /** Distinct objects. */
    readonly externalObjects: number;
    /** Content in objects, counted at each reference. */
    readonly externalSize: number;
    /** The rest of `size`. */
    readonly inlineSize: number;
  };
}

/**
 * The tar of a stored layer, byte for byte; every object is checked against its id on the way.
 *
 * @throws OciError `LAYER_UNSUPPORTED` no tar; ComposefsError `STREAM_NOT_FOUND`, `OBJECT_NOT_FOUND`, `OBJECT_CORRUPT`
 */
export async function* layerTar(
  repository: Repository,
  diffId: OciDigest,
  options: { readonly signal?: AbortSignal } = {},
): AsyncGenerator<Uint8Array, void, undefined> {
  yield* repository.readStream(await openLayer(repository, diffId), options);
}

/**
 * Figures of a stored layer, without reading its objects.
 *
 * @throws as {@link layerTar}; OciError `TAR_MALFORMED`; `LAYER_UNSUPPORTED` also for an entry that no file tree can have
 */
export async function summarizeLayer(repository: Repository, diffId: OciDigest): Promise<LayerSummary> {
  const stream = await openLayer(repository, diffId);
  const parser = new TarParser();
  let entryCount = 0;
  let externalSize = 0;
  try {
    for (const part of stream.parts()) {
      if ("object" in part) {
        const { remaining } = parser;
        externalSize += remaining;
        parser.skip(remaining);
        continue;
      }
      for (const event of parser.push(part.inline)) {
        if (event.type !== "entry") continue;
        checkEntry(event.entry, diffId);
        entryCount++;
      }
    }
    parser.finish();
  } catch (error) {
    throw inLayer(error, diffId);
  }
  if (parser.offset !== stream.size) {
    throw new OciError(
      "TAR_MALFORMED",
      `layer ${diffId}: its splitstream says ${stream.size} bytes, but has ${parser.offset}`,
      {
        details: { layer: diffId, expected: stream.size, actual: parser.offset },
        hint: "remove the layer's stream and pull its image again",
      },
    );
  }
  return {
    diffId,
    verity: stream.id,
    size: stream.size,
    entryCount,
    splitstream: {
      externalObjects: new Set(stream.objectRefs).size,
      externalSize,
      inlineSize: stream.size - externalSize,
    },
  };
}

/**
 * Opens a stored layer's splitstream by its diff_id.
 *
 * @throws OciError `LAYER_NOT_FOUND`; `LAYER_UNSUPPORTED` no tar; ComposefsError of a damaged stream
 */
export async function openLayer(
  repository: Repository,
  diffId: OciDigest,
): Promise<Splitstream & { readonly id: ObjectId }> {
  const name = contentId("layer", diffId);
  let stream: Splitstream & { readonly id: ObjectId };
  try {
    stream = await repository.openStream(name);
  } catch (cause) {
    if (!(cause instanceof ComposefsError) || cause.code !== "STREAM_NOT_FOUND") throw cause;
    throw new OciError("LAYER_NOT_FOUND", `layer ${diffId} not found`, {
      details: { diffId },
      hint: "give the diff_id of a layer of an image that was pulled",
      cause,
    });
  }
  if (stream.type === CONTENT_TYPE.layer) return stream;
  throw new OciError("LAYER_UNSUPPORTED", `layer ${diffId} is no tar: its content type is '${stream.type}'`, {
    details: { diffId, type: stream.type },
    hint: "`cfsctl cat` gives the bytes of any stream",
  });
}
