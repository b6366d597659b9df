import { expect, test } from "vitest";
import { backoffMs, DEFAULT_TIMING, retryAfterMs } from "../../src/registry/timing.ts";

const NOW = Date.parse("Wed, 21 Oct 2015 07:28:00 GMT");

test.each<[string | undefined, number | null]>([
  [undefined, null],
  ["0", 0],
  [" 120 ", 120_000],
  ["Wed, 21 Oct 2015 07:28:30 GMT", 30_000],
  ["Wed, 21 Oct 2015 07:27:30 GMT", 0],
  ["", null],
  ["-1", null],
  ["1.5", null],
  ["99999999999", null],
  ["soon", null],
])("Retry-After %s", (header, expected) => expect(retryAfterMs(header, NOW)).toBe(expected));

test.each([
  [1, 250, 500],
  [2, 500, 1000],
  [4, 2000, 4000],
])("wait %i is between %i and %i ms", (n, least, most) => {
  for (let i = 0; i < 50; i++) {
    const wait = backoffMs(DEFAULT_TIMING, n);
    expect(wait).toBeGreaterThanOrEqual(least);
    expect(wait).toBeLessThanOrEqual(most);
  }
});
