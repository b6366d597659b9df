import type { ImportStats } from "./import-stats.ts";

/** A layer of the plan. */
export interface PlannedLayer {
  /** Its diff_id. */
  readonly id: string;
  /** Bytes to be read of it; null when the source does not know. */
  readonly bytes: number | null;
  /** Whether the destination has it already. */
  readonly present: boolean;
}

/**
 * What happens during a pull, a copy or an export. `plan` comes once, before any other event of a layer; then per layer
 * either `skip`, or `start`, any number of `progress`, and `done`. The stage `erofs` comes only when an image is built.
 * `id` is the diff_id. Sizes are those of what is read: the tar out of podman's storage or a repository, the blob,
 * compressed or not, out of other sources.
 */
export type ProgressEvent =
  | { readonly type: "stage"; readonly stage: "resolve" | "layers" | "erofs" | "commit" }
  | { readonly type: "plan"; readonly components: readonly PlannedLayer[] }
  | { readonly type: "start"; readonly id: string; readonly bytes: number | null }
  | {
      readonly type: "progress";
      readonly id: string;
      readonly done: number;
      readonly total: number | null;
      readonly unit: "bytes";
    }
  | {
      readonly type: "done";
      readonly id: string;
      readonly bytes: number;
      /** Null when the layer was handed on. */
      readonly stats: ImportStats | null;
    }
  | { readonly type: "skip"; readonly id: string; readonly bytes: number | null }
  | { readonly type: "note"; readonly text: string };

/** Receives events; must not throw. */
export type ProgressListener = (event: ProgressEvent) => void;
