import { readFiles } from "@composefs/reflink";
import { type BatchContent, sourceOf } from "./batch-content.ts";
import type { LayerFile } from "./layer-batch.ts";
import { openContent } from "./open-content.ts";

const DENIED: ReadonlySet<string> = new Set(["EACCES", "EPERM"]);

/** The content of a batch whose files are found by name in `dirs`, which stay open as long as the layer. */
export function directoryContent(
  layer: { readonly id: string },
  dirs: readonly number[],
  files: readonly LayerFile[],
): BatchContent {
  return {
    store: (store, request, options = {}) =>
      store.storeFiles(
        dirs,
        files.map((file) => sourceOf(file, request(file))),
        options,
      ),
    read: (first, end, limit) => readFiles(dirs, files.slice(first, end), limit),
    open: (index) => openContent(layer, dirs, files[index] as LayerFile),
    readable: async () => {
      // Asked for a file of no bytes, the native reader opens each and refuses it by its size.
      const asked = files.map(({ path }) => ({ path, size: 0 }));
      const outcomes = await readFiles(dirs, asked, 0);
      return !outcomes.some(
        (outcome) =>
          "failure" in outcome && outcome.failure.step === "open" && DENIED.has(outcome.failure.error?.code ?? ""),
      );
    },
    release: () => undefined,
  };
}
