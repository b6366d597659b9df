import type { ImportStats, ProgressEvent, ProgressListener } from "@composefs/oci";
import { formatSize } from "./size.ts";

/** A listener that draws, and how to end the drawing. */
export interface ProgressRenderer {
  readonly onProgress: ProgressListener | undefined;
  stop(): void;
}

/** Digits of a digest shown to people. */
const SHORT_DIGITS = 12;
/** Digest cut to its first digits. */
export function shortId(id: string): string {
  const hex = id.slice(id.indexOf(":") + 1);
  return hex.slice(0, SHORT_DIGITS);
}

/** First line of a pull: how much there is to do. */
export function planLine({ components }: Extract<ProgressEvent, { type: "plan" }>): string {
  const bytes = components.reduce((sum, component) => sum + (component.bytes ?? 0), 0);
  const present = components.filter((component) => component.present).length;
  return `${components.length} layers, ${formatSize(bytes)}, ${present} present`;
}

/** A finished layer: its size, and where it was imported how its files got in. */
export function doneWords({ bytes, stats }: Extract<ProgressEvent, { type: "done" }>): string {
  return stats === null ? formatSize(bytes) : `${formatSize(bytes)}, ${methods(stats)}`;
}

/** How the files of a layer got in: `12 reflinked, 3 already present`. */
function methods(stats: ImportStats): string {
  const counts: [number, string][] = [
    [stats.objectsReflinked, "reflinked"],
    [stats.objectsHardlinked, "hardlinked"],
    [stats.objectsCopied, "copied"],
    [stats.objectsAlreadyPresent, "already present"],
  ];
  const parts = counts.filter(([count]) => count > 0).map(([count, word]) => `${count} ${word}`);
  return parts.length === 0 ? "no objects" : parts.join(", ");
}
