import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { requires } from "../support/capabilities.ts";
import { withMountPoint } from "../support/image-mount.ts";
import { run } from "../support/run.ts";

const BIN = fileURLToPath(new URL("../../packages/cfsctl/bin/", import.meta.url));
const tool = (name: string, ...args: string[]): string => run(process.execPath, [`${BIN}${name}.js`, ...args]);
const options = (point: string): string => run("findmnt", ["--noheadings", "--output", "FS-OPTIONS,SOURCE", point]);

describe.skipIf(requires("root", "cfsctl") !== null)("mount.composefs", () => {
  let base: string;
  let image: string;
  let store: string;
  beforeAll(() => {
    base = mkdtempSync(join(tmpdir(), "mount-composefs-"));
    image = join(base, "image");
    store = join(base, "with,comma=and equals");
    mkdirSync(join(base, "tree"));
    writeFileSync(join(base, "tree/small"), "small");
    writeFileSync(join(base, "tree/large"), "large".repeat(1000));
    tool("mkcomposefs", "--digest-store", store, join(base, "tree"), image);
  });
  afterAll(() => rmSync(base, { recursive: true }));

  const basedir = (): string => `basedir=${store.replace(/[,=\\]/g, "\\$&")}`;

  test("shows the files, read-only", async () => {
    await withMountPoint(async (point) => {
      tool("mount.composefs", "-t", "composefs", "-o", `${basedir()},rw`, image, point);
      expect(readFileSync(join(point, "small"), "utf8")).toBe("small");
      expect(readFileSync(join(point, "large"), "utf8")).toBe("large".repeat(1000));
      expect(() => writeFileSync(join(point, "new"), "")).toThrow(expect.objectContaining({ code: "EROFS" }));
      const shown = options(point);
      expect(shown).toContain("composefs:composefs");
      expect(shown).not.toContain("verity=require");
    });
  });

  test.each(["verity", "tryverity"])("%s refuses objects without fs-verity", async (word) => {
    await withMountPoint(async (point) => {
      tool("mount.composefs", "-o", `${basedir()},${word}`, image, point);
      expect(options(point)).toContain("verity=require");
      expect(readFileSync(join(point, "small"), "utf8")).toBe("small");
      expect(() => readFileSync(join(point, "large"))).toThrow(expect.objectContaining({ code: "EIO" }));
    });
  });

  test("changes go to the upper directory, unless ro is said", async () => {
    const [upper, work] = ["upper", "work"].map((name) => join(base, name)) as [string, string];
    for (const path of [upper, work]) mkdirSync(path);
    const layers = `${basedir()},upperdir=${upper},workdir=${work}`;
    await withMountPoint(async (point) => {
      tool("mount.composefs", "-o", layers, image, point);
      writeFileSync(join(point, "small"), "changed");
    });
    expect(readFileSync(join(upper, "small"), "utf8")).toBe("changed");
    await withMountPoint(async (point) => {
      tool("mount.composefs", "-o", `${layers},ro`, image, point);
      expect(readFileSync(join(point, "small"), "utf8")).toBe("changed");
      expect(() => writeFileSync(join(point, "new"), "")).toThrow(expect.objectContaining({ code: "EROFS" }));
    });
  });

  test("a missing mount point, image or directory is named", () => {
    const nowhere = join(base, "nowhere");
    const fails = (...args: string[]) => expect(() => tool("mount.composefs", ...args)).toThrow(nowhere);
    fails("-o", basedir(), image, nowhere);
    fails("-o", basedir(), nowhere, base);
    fails("-o", `basedir=${nowhere}`, image, base);
  });
});
