import type { ImportStats } from "@composefs/oci";
import { formatSize } from "./size.ts";

/** The block `Import statistics:` after a pull (containers-storage.md §7.6). */
export function formatStatistics(stats: ImportStats): string {
  const { objectsReflinked, objectsHardlinked, objectsCopied, objectsAlreadyPresent } = stats;
  const total = objectsReflinked + objectsHardlinked + objectsCopied + objectsAlreadyPresent;
  const hardlinked = objectsHardlinked > 0 ? `${objectsHardlinked} hardlinked, ` : "";
  const parts = `${objectsReflinked} reflinked, ${hardlinked}${objectsCopied} copied, ${objectsAlreadyPresent} already present`;
  const lines = [
    "Import statistics:",
    `  layers: ${stats.layers} (${stats.layersAlreadyPresent} already present)`,
    `  objects: ${total} total (${parts})`,
    `  reflinked: ${formatSize(stats.bytesReflinked)} (zero-copy)`,
  ];
  if (stats.bytesHardlinked > 0) lines.push(`  hardlinked: ${formatSize(stats.bytesHardlinked)} (zero-copy)`);
  if (stats.bytesCopied > 0) lines.push(`  copied: ${formatSize(stats.bytesCopied)}`);
  lines.push(`  inlined: ${formatSize(stats.bytesInlined)}`);
  return `${lines.join("\n")}\n`;
}

/** The fields of {@link ImportStats} in snake_case, for JSON. */
export function statisticsJson(stats: ImportStats): Record<string, number> {
  const snake = (name: string): string => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
  return Object.fromEntries(Object.entries(stats).map(([name, value]) => [snake(name), value as number]));
}
