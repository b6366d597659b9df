import {
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { parseDumpfileBytes } from "../../packages/composefs/src/dumpfile/parse.ts";
import { buildImage } from "../../packages/composefs/src/erofs/build-image.ts";
import { type Directory, isDirectory, isWhiteout, type Leaf } from "../../packages/composefs/src/tree/node.ts";
import { countLinks, walkTree } from "../../packages/composefs/src/tree/walk.ts";
import { requires } from "../support/capabilities.ts";
import { run, succeeds } from "../support/run.ts";

const FOLDER = new URL("../../testdata/erofs/", import.meta.url);

/**
 * Trees that Linux can show as they are. Left out are 14 (uid 2^32-1 and times beyond what stat gives), 17 and 18 (sizes
 * near 2^64: the kernel answers EUCLEAN, fsck.erofs counts chunks for hours), 19 to 21 (names of 4084 bytes, broken
 * ACLs) and 90.
 */
const DUMPS = readdirSync(FOLDER)
  .filter((name) => name.endsWith(".dump") && !name.includes("sha512") && !/^(1[4789]|2[01]|90)-/.test(name))
  .sort();

const VERSIONS = [0, 1, 2] as const;
const hash = "sha256";
const noFsck = succeeds("fsck.erofs", ["-V"]) ? null : "fsck.erofs (erofs-utils) is not installed";
const noErofs = requires("erofs");

let work = "";
beforeAll(() => {
  work = mkdtempSync(join(tmpdir(), "cfs-erofs-"));
  mkdirSync(join(work, "mnt"));
});
afterAll(() => rmSync(work, { recursive: true, force: true }));

const treeOf = (dump: string): Directory => parseDumpfileBytes(readFileSync(new URL(dump, FOLDER)), { hash });

function writeImage(tree: Directory, version: 0 | 1 | 2): string {
  const path = join(work, `${version}.erofs`);
  writeFileSync(path, buildImage(tree, { version, hash }));
  return path;
}

describe.each(DUMPS)("%s", (dump) => {
  test.skipIf(noFsck !== null).each(VERSIONS)("fsck.erofs accepts V%i", (version) => {
    const image = writeImage(treeOf(dump), version);
    expect(() => run("fsck.erofs", [image])).not.toThrow();
  });

  test.skipIf(noErofs !== null).each(VERSIONS)("the kernel shows what the tree has in V%i", (version) => {
    const tree = treeOf(dump);
    const mnt = join(work, "mnt");
    run("mount", ["-t", "erofs", "-o", "ro,loop", writeImage(tree, version), mnt]);
    try {
      const links = countLinks(tree);
      for (const { path, node } of walkTree(tree)) {
        // Escaped whiteouts are files until overlayfs reads them, and no stubs stand beside the root's entries here.
        if (path === "/" || isWhiteout(node)) continue;
        const shown = Buffer.concat([Buffer.from(mnt), Buffer.from(path, "latin1")]);
        const stat = lstatSync(shown, { bigint: true });
        expect({
          path,
          mode: stat.mode % 0o10000n,
          uid: stat.uid,
          gid: stat.gid,
          seconds: stat.mtimeNs / 1_000_000_000n,
          nanoseconds: stat.mtimeNs % 1_000_000_000n,
        }).toEqual({
          path,
          mode: BigInt(node.stat.mode),
          uid: BigInt(node.stat.uid),
          gid: BigInt(node.stat.gid),
          seconds: node.stat.mtimeSeconds,
          nanoseconds: version === 2 ? 0n : BigInt(node.stat.mtimeNanoseconds),
        });
        if (isDirectory(node)) expect(stat.isDirectory()).toBe(true);
        else expectContent(node, shown, stat.nlink, links.get(node) ?? 0);
      }
    } finally {
      run("umount", [mnt]);
    }
  });
});

function expectContent({ content }: Leaf, shown: Buffer, nlink: bigint, links: number): void {
  expect(nlink).toBe(BigInt(links));
  const stat = lstatSync(shown, { bigint: true });
  if (content.kind === "inline") expect(readFileSync(shown).equals(content.bytes)).toBe(true);
  else if (content.kind === "symlink") expect(readlinkSync(shown, "buffer").equals(content.target)).toBe(true);
  else if (content.kind === "char" || content.kind === "block") expect(stat.rdev).toBe(content.rdev);
  else if ("size" in content) expect(stat.size).toBe(content.size);
  else expect(content.kind === "fifo" ? stat.isFIFO() : stat.isSocket()).toBe(true);
}
