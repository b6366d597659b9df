/** What the helper answers to; containers-storage.md §6.4. */
export const METHODS = {
  /** First of all, and once: the roots to serve, whose directories come along as descriptors. */
  openStores: "userns.openStores",
  listImages: "userns.listImages",
  getImage: "userns.getImage",
  getManifest: "userns.getManifest",
  getConfig: "userns.getConfig",
  getLayers: "userns.getLayers",
  getLayer: "userns.getLayer",
  /** Runs of the layer follow as notifications, then the result with their number. */
  streamLayer: "userns.streamLayer",
  shutdown: "userns.shutdown",
} as const;

/** Notifications that belong to a `streamLayer` request, whose id is their `stream`. */
export const STREAM = {
  /** From the helper: the layer is locked and open. */
  start: "stream.start",
  /** From the helper: the next run, see `layer-payload.ts`, with a descriptor for each of its files. */
  run: "stream.run",
  /** To the helper: one run is done with, another may come. */
  ack: "stream.ack",
  /** To the helper: no more is wanted. */
  cancel: "stream.cancel",
} as const;
