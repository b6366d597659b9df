import type { StoreMethod } from "@composefs/core";

/** What an import did; the same for every source (containers-storage.md §7.6). */
export interface ImportStats {
  /** Entries of diff_ids. */
  readonly layers: number;
  readonly layersAlreadyPresent: number;
  /** References to objects, by how the object got in. */
  readonly objectsReflinked: number;
  readonly objectsHardlinked: number;
  readonly objectsCopied: number;
  readonly objectsAlreadyPresent: number;
  readonly bytesReflinked: number;
  readonly bytesHardlinked: number;
  readonly bytesCopied: number;
  /** Literal bytes of the layers' splitstreams: tar headers, padding and small files. */
  readonly bytesInlined: number;
}

/** Stats being counted. */
export type StatsCounter = { -readonly [K in keyof ImportStats]: ImportStats[K] };

/** All zero. */
export function emptyStats(): StatsCounter {
  return {
    layers: 0,
    layersAlreadyPresent: 0,
    objectsReflinked: 0,
    objectsHardlinked: 0,
    objectsCopied: 0,
    objectsAlreadyPresent: 0,
    bytesReflinked: 0,
    bytesHardlinked: 0,
    bytesCopied: 0,
    bytesInlined: 0,
  };
}

/** Adds `more` to `counter`. */
export function addStats(counter: StatsCounter, more: ImportStats): void {
  for (const key of Object.keys(counter) as (keyof ImportStats)[]) counter[key] += more[key];
}

/** Counts one reference to an object. */
export function countObject(counter: StatsCounter, method: StoreMethod, bytes: number): void {
  switch (method) {
    case "reflinked":
      counter.objectsReflinked++;
      counter.bytesReflinked += bytes;
      break;
    case "hardlinked":
      counter.objectsHardlinked++;
      counter.bytesHardlinked += bytes;
      break;
    case "copied":
      counter.objectsCopied++;
      counter.bytesCopied += bytes;
      break;
    case "already-present":
      counter.objectsAlreadyPresent++;
      break;
  }
}
