import { mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { parseDumpfileBytes } from "../../packages/composefs/src/dumpfile/parse.ts";
import { writeDumpfile } from "../../packages/composefs/src/dumpfile/write.ts";
import { scanDirectory } from "../../packages/composefs/src/scan/scan-directory.ts";
import { plainTree } from "../../packages/composefs/test/support/plain-tree.ts";
import { requires } from "../support/capabilities.ts";
import { layOut } from "./scan-lay-out.ts";

// Recorded with the reference, which gave the ids of these cases for real directories too (erofs-image.md §13).
const VECTORS = new URL("../../testdata/erofs/", import.meta.url);
const base = mkdtempSync(join(tmpdir(), "cfs-scan-"));
afterAll(() => rmSync(base, { recursive: true, force: true }));

describe.skipIf(requires("root") !== null)("recorded trees as real directories", () => {
  test.each([
    ["01-empty-root.dump", "sha256"],
    ["02-one-file.dump", "sha256"],
    ["04-sizes.sha256.dump", "sha256"],
    ["04-sizes.sha512.dump", "sha512"],
    ["13-names.dump", "sha256"],
    ["15-directories.dump", "sha512"],
  ] as const)("%s scans back to the recorded text", async (name, hash) => {
    const text = readFileSync(new URL(name, VECTORS));
    const root = join(base, `${name}.${hash}`);
    mkdirSync(root);
    layOut(root, plainTree(parseDumpfileBytes(text, { hash })));
    const scanned = await scanDirectory(root, { hash });
    expect([...writeDumpfile(scanned)].join("")).toBe(text.toString("latin1"));
  });
});
