import type { ImportStats } from "@composefs/oci";
import { expect, test } from "vitest";
import { formatStatistics, statisticsJson } from "../../src/render/statistics.ts";

const ZERO: ImportStats = {
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

// The first is the text of containers-storage.md §7.6, the others are its variants.
test.each<[string, Partial<ImportStats>, string[]]>([
  [
    "all reflinked",
    { layers: 1, objectsReflinked: 16, bytesReflinked: 4_424_990, bytesInlined: 234_394 },
    [
      "  layers: 1 (0 already present)",
      "  objects: 16 total (16 reflinked, 0 copied, 0 already present)",
      "  reflinked: 4.22 MiB (zero-copy)",
      "  inlined: 228.90 KiB",
    ],
  ],
  [
    "copied",
    { layers: 2, objectsCopied: 3, bytesCopied: 2048, bytesInlined: 512 },
    [
      "  layers: 2 (0 already present)",
      "  objects: 3 total (0 reflinked, 3 copied, 0 already present)",
      "  reflinked: 0 B (zero-copy)",
      "  copied: 2.00 KiB",
      "  inlined: 512 B",
    ],
  ],
  [
    "hardlinked",
    { layers: 1, objectsHardlinked: 2, bytesHardlinked: 1024 },
    [
      "  layers: 1 (0 already present)",
      "  objects: 2 total (0 reflinked, 2 hardlinked, 0 copied, 0 already present)",
      "  reflinked: 0 B (zero-copy)",
      "  hardlinked: 1.00 KiB (zero-copy)",
      "  inlined: 0 B",
    ],
  ],
  [
    "some of each",
    {
      layers: 4,
      layersAlreadyPresent: 1,
      objectsReflinked: 1,
      objectsHardlinked: 2,
      objectsCopied: 3,
      objectsAlreadyPresent: 4,
      bytesReflinked: 1,
      bytesHardlinked: 2,
      bytesCopied: 3,
      bytesInlined: 4,
    },
    [
      "  layers: 4 (1 already present)",
      "  objects: 10 total (1 reflinked, 2 hardlinked, 3 copied, 4 already present)",
      "  reflinked: 1 B (zero-copy)",
      "  hardlinked: 2 B (zero-copy)",
      "  copied: 3 B",
      "  inlined: 4 B",
    ],
  ],
  [
    "everything present",
    { layers: 3, layersAlreadyPresent: 3, objectsAlreadyPresent: 20_160 },
    [
      "  layers: 3 (3 already present)",
      "  objects: 20160 total (0 reflinked, 0 copied, 20160 already present)",
      "  reflinked: 0 B (zero-copy)",
      "  inlined: 0 B",
    ],
  ],
])("%s", (_, stats, lines) => {
  expect(formatStatistics({ ...ZERO, ...stats })).toBe(["Import statistics:", ...lines, ""].join("\n"));
});

test("for JSON", () => {
  expect(statisticsJson({ ...ZERO, layersAlreadyPresent: 5 })).toEqual({
    layers: 0,
    layers_already_present: 5,
    objects_reflinked: 0,
    objects_hardlinked: 0,
    objects_copied: 0,
    objects_already_present: 0,
    bytes_reflinked: 0,
    bytes_hardlinked: 0,
    bytes_copied: 0,
    bytes_inlined: 0,
  });
});
