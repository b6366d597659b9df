import { expect, test } from "vitest";
import { formatSize } from "../../src/render/size.ts";

// The first, "4.22 MiB" and "228.90 KiB" are the reference's own (containers-storage.md §7.6).
test.each<[number, string]>([
  [90, "90 B"],
  [0, "0 B"],
  [1023, "1023 B"],
  [1024, "1.00 KiB"],
  [1029, "1.00 KiB"],
  [1030, "1.01 KiB"],
  [234_394, "228.90 KiB"],
  [2 ** 20 - 6, "1023.99 KiB"],
  [2 ** 20, "1.00 MiB"],
  [4_424_990, "4.22 MiB"],
  [2 ** 30, "1.00 GiB"],
  [2 ** 40, "1.00 TiB"],
  [2 ** 50, "1.00 PiB"],
  [Number.MAX_SAFE_INTEGER, "8.00 PiB"],
  [2 ** 60, "1.00 EiB"],
  [2 ** 71, "2048.00 EiB"],
])("%i bytes", (bytes, expected) => expect(formatSize(bytes)).toBe(expected));
