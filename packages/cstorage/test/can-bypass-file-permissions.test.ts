import { describe, expect, test } from "vitest";
import { canBypassFilePermissions, hasDacOverride } from "../src/can-bypass-file-permissions.ts";
import { filesPerRun } from "../src/proxy/proxied-layer.ts";

const status = (mask: string): string =>
  `Name:\tnode\nCapPrm:\t000001ffffffffff\nCapEff:\t${mask}\nCapBnd:\t0000000000000002\n`;

describe("CAP_DAC_OVERRIDE, bit 1 of CapEff", () => {
  test.each([
    ["000001ffffffffff", true],
    ["0000000000000002", true],
    ["0000000000000001", false],
    ["0000000000000000", false],
    ["fffffffffffffffd", false],
  ])("%s: %s", (mask, expected) => {
    expect(hasDacOverride(status(mask))).toBe(expected);
  });
  test("no such line", () => expect(hasDacOverride("Name:\tnode\n")).toBe(false));
});

test("root may open everything", () => {
  if (process.getuid?.() === 0) expect(canBypassFilePermissions()).toBe(true);
});

test("runs get smaller where few files may be open", () => {
  const limits = (soft: string): string =>
    `Limit                     Soft Limit           Hard Limit           Units\nMax open files            ${soft}                 9999999              files\n`;
  expect(filesPerRun(limits("1048576000"))).toBe(253);
  expect(filesPerRun(limits("unlimited"))).toBe(253);
  expect(filesPerRun(limits("1024"))).toBeLessThan(100);
  expect(filesPerRun(limits("100"))).toBe(1);
});
