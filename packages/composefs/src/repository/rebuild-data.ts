import type { ObjectId } from "../fsverity/object-id.ts";
import type { Splitstream } from "../splitstream/reader.ts";
import { closeContents } from "./object-content.ts";
import type { Objects } from "./objects.ts";

/** Objects read by one call, and the most parts that wait for them. */
const BATCH_OBJECTS = 64;
const BATCH_PARTS = 4 * BATCH_OBJECTS;

/**
 * Data of a splitstream, checked against the ids of its objects.
 *
 * @throws ComposefsError `STREAM_CORRUPT`, `OBJECT_NOT_FOUND`, `OBJECT_CORRUPT`; rejects with `signal.reason`
 */
export async function* rebuildData(
  source: Objects,
  stream: Splitstream,
  signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array> {
  let pending: (Uint8Array | ObjectId)[] = [];
  let objects = 0;
  for (const part of stream.parts()) {
    pending.push("object" in part ? part.object : part.inline);
    if ("object" in part) objects++;
    if (objects < BATCH_OBJECTS && pending.length < BATCH_PARTS) continue;
    signal?.throwIfAborted();
    yield* expand(source, pending);
    pending = [];
    objects = 0;
  }
  signal?.throwIfAborted();
  yield* expand(source, pending);
}

async function* expand(source: Objects, parts: readonly (Uint8Array | ObjectId)[]): AsyncGenerator<Uint8Array> {
  const ids = parts.filter((part): part is ObjectId => typeof part === "string");
  const contents = ids.length > 0 ? await source.readMany(ids) : [];
  let next = 0;
  try {
    for (const part of parts) {
      const content = typeof part === "string" ? contents[next++] : part;
      if (content instanceof Uint8Array) yield content;
      else if (content) yield* content;
    }
  } finally {
    closeContents(contents);
  }
}
