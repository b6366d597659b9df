import { mkdtempSync, rmdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { KernelError } from "../src/errors.ts";
import { FsContext, unmount } from "../src/mount.ts";

const isRoot = process.geteuid?.() === 0;

describe.skipIf(!isRoot)("FsContext", () => {
  test("an unknown type is ENODEV", () => {
    expect(() => FsContext.open("no-such-type")).toThrow(
      expect.objectContaining({ code: "ENODEV", syscall: "fsopen" }),
    );
  });

  test("the kernel's messages say what it refuses", () => {
    const context = FsContext.open("overlay");
    try {
      expect(() => context.setString("no-such-parameter", "1")).toThrow(KernelError);
      expect(context.messages().join()).toContain("no-such-parameter");
      expect(context.messages()).toEqual([]);
    } finally {
      context.close();
    }
  });
});

describe.skipIf(isRoot)("without privileges", () => {
  test("fsopen is EPERM", () => {
    expect(() => FsContext.open("overlay")).toThrow(expect.objectContaining({ code: "EPERM" }));
  });
});

test.skipIf(!isRoot)("unmounting what is no mount is EINVAL", async () => {
  const path = mkdtempSync(join(tmpdir(), "reflink-mount-"));
  await expect(unmount(path)).rejects.toMatchObject({ code: "EINVAL", syscall: "umount2", path });
  rmdirSync(path);
});
