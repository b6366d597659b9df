import { createDirectory, type Directory } from "@composefs/core";
import { describe, expect, test } from "vitest";
import type { OciDigest } from "../../src/digest.ts";
import { applyLayer } from "../../src/tree/apply-layer.ts";
import { outline } from "./outline.ts";
import { dir, file, layerStream, link, symlink, type TestEntry } from "./tar-builder.ts";

const DIFF_ID = `sha256:${"a".repeat(64)}` as OciDigest;

function apply(layers: readonly (readonly TestEntry[])[], compatWhiteouts = false): Directory {
  const root = createDirectory();
  for (const entries of layers) {
    applyLayer(root, { diffId: DIFF_ID, stream: layerStream(entries) }, { compatWhiteouts });
  }
  return root;
}

describe("entries", () => {
  test.each<[string, TestEntry[][], string[]]>([
    ["paths are normalised", [[dir("./a/"), dir("/a//b/./"), file("a/./b/c")]], ["/a/", "/a/b/", "/a/b/c x"]],
    [
      "a directory keeps its children, and takes the new mode",
      [[dir("a"), file("a/b")], [dir("a", 0o700)]],
      ["/a/ 700", "/a/b x"],
    ],
    ["a directory replaces a file", [[file("a")], [dir("a")]], ["/a/"]],
    [
      "a directory replaces a symlink",
      [
        [dir("b"), file("b/x"), symlink("a", "b")],
        [dir("a"), file("a/y")],
      ],
      ["/a/", "/a/y x", "/b/", "/b/x x"],
    ],
    ["a file replaces a directory", [[dir("a"), file("a/b")], [file("a", "new")]], ["/a new"]],
    ["hard links share the inode", [[file("a"), link("b", "./a")], [link("c", "/b")]], ["/a x", "/b x =0", "/c x =0"]],
    ["a link to a symlink", [[symlink("a", "nowhere"), link("b", "a")]], ["/a -> nowhere", "/b -> nowhere =0"]],
    ["replacing one name leaves the other", [[file("a"), link("b", "a")], [file("a", "new")]], ["/a new", "/b x"]],
    ["a link may replace a directory", [[file("a"), dir("d"), file("d/e")], [link("d", "a")]], ["/a x", "/d x =0"]],
    ["a file above the inline limit is its object", [[file("a", "y".repeat(65))]], ["/a external"]],
  ])("%s", (_, layers, expected) => {
    expect(outline(apply(layers))).toEqual(expected);
    expect(outline(apply(layers, true))).toEqual(expected);
  });

  test("the root takes metadata of its own entry", () => {
    const root = apply([[dir(".", 0o711), dir("a"), dir("a/..", 0o700)]]);
    expect(root.stat.mode).toBe(0o700);
    expect(outline(root)).toEqual(["/a/"]);
  });

  test.each<[string, TestEntry[]]>([
    ["a parent that is not there", [file("a/b")]],
    ["a parent that is a symlink", [dir("b"), symlink("a", "b"), file("a/x")]],
    ["a parent that is a file", [file("a"), file("a/b")]],
    ["'..' in the path", [dir("a"), file("a/../b")]],
    ["'..' that leads out", [file("../b")]],
    ["a last '..' of a file", [dir("a"), file("a/..")]],
    ["a root that is a file", [file("./")]],
    ["a root that is a symlink", [symlink(".", "a")]],
    ["a link to nothing", [link("a", "b")]],
    ["a link to a directory", [dir("b"), link("a", "b")]],
    ["a link to the root", [link("a", "/")]],
    ["a link through '..'", [file("b"), dir("c"), link("a", "c/../b")]],
    ["a link through a symlink", [dir("b"), file("b/x"), symlink("c", "b"), link("a", "c/x")]],
    ["a whiteout below nothing", [file("a/.wh.b")]],
    ["a whiteout through a symlink", [dir("b"), file("b/x"), symlink("a", "b"), file("a/.wh.x")]],
    ["an opaque marker below a file", [file("a"), file("a/.wh..wh..opq")]],
    ["a whiteout below what was never in a replaced directory", [dir("a"), file("a"), file("a/b/.wh.c")]],
    ["a type no tree has", [{ path: "a", type: "V" }]],
  ])("refuses %s", (_, entries) => {
    const offset = 512 * entries.slice(0, -1).reduce((blocks, { content }) => blocks + (content ? 2 : 1), 0);
    for (const compat of [false, true]) {
      expect(() => apply([entries], compat)).toThrow(
        expect.objectContaining({
          name: "OciError",
          code: "LAYER_UNSUPPORTED",
          details: expect.objectContaining({ layer: DIFF_ID, path: entries.at(-1)?.path, offset }),
        }),
      );
    }
  });

  test("refuses a link to a later file", () => {
    expect(() => apply([[link("a", "b"), file("b")]])).toThrow(
      expect.objectContaining({ code: "LAYER_UNSUPPORTED", details: { layer: DIFF_ID, path: "a", offset: 0 } }),
    );
  });

  test("refuses objects where no file begins, and files that should be objects", () => {
    const small = layerStream([file("a", "y".repeat(65))]);
    const parts = [...small.parts()];
    const wrong = (list: typeof parts): (() => void) => {
      const stream = {
        ...small,
        *parts() {
          yield* list;
        },
      };
      return () => applyLayer(createDirectory(), { diffId: DIFF_ID, stream });
    };
    const refusal = expect.objectContaining({ code: "LAYER_UNSUPPORTED" });
    expect(wrong(parts.slice(1))).toThrow(refusal);
    expect(wrong(parts.map((part) => ("object" in part ? { inline: Buffer.alloc(65) } : part)))).toThrow(refusal);
    expect(wrong(parts.slice(0, 1))).toThrow(expect.objectContaining({ code: "TAR_MALFORMED" }));
  });
});

describe("whiteouts", () => {
  const lower = [dir("d"), file("d/a", "lower"), dir("d/s"), file("d/s/b", "lower"), file("e", "lower")];
  const opaque = "d/.wh..wh..opq";
  test.each<[string, TestEntry[], string[]]>([
    ["a file", [file(".wh.e")], ["/d/", "/d/a lower", "/d/s/", "/d/s/b lower"]],
    ["a directory and all in it", [file(".wh.d")], ["/e lower"]],
    [
      "something that is not there",
      [file(".wh.x"), file(".wh.")],
      ["/d/", "/d/a lower", "/d/s/", "/d/s/b lower", "/e lower"],
    ],
    ["whatever type it has", [dir(".wh.e"), symlink("d/.wh.a", "b")], ["/d/", "/d/s/", "/d/s/b lower"]],
    ["what a marker hides", [file(opaque)], ["/d/", "/e lower"]],
    ["the root's content", [file(".wh..wh..opq")], []],
    [
      "nothing of its own layer",
      [file("e", "own"), file(".wh.e")],
      ["/d/", "/d/a lower", "/d/s/", "/d/s/b lower", "/e own"],
    ],
    ["nothing of its own layer below a marker", [file("d/n", "own"), file(opaque)], ["/d/", "/d/n own", "/e lower"]],
    [
      "no directory that holds files of its own layer",
      [file("d/s/n", "own"), file(".wh.d")],
      ["/d/", "/d/s/", "/d/s/n own", "/e lower"],
    ],
    ["but the lower content of a directory that came anew", [dir("d", 0o700), file(".wh.d")], ["/d/ 700", "/e lower"]],
    [
      "the lower name of a file that is linked anew",
      [link("n", "e"), file(".wh.e")],
      ["/d/", "/d/a lower", "/d/s/", "/d/s/b lower", "/n lower"],
    ],
    ["a directory below one that another takes away", [file(".wh.d"), file("d/s/.wh.b")], ["/e lower"]],
    ["a directory that became a file", [file("d", "own"), file(".wh.d")], ["/d own", "/e lower"]],
    ["what was in such a directory", [file("d", "own"), file("d/.wh.a"), file("d/s/.wh.b")], ["/d own", "/e lower"]],
    [
      "a file that became a directory",
      [dir("e"), file("e/f", "own"), file(".wh.e")],
      ["/d/", "/d/a lower", "/d/s/", "/d/s/b lower", "/e/", "/e/f own"],
    ],
  ])("take away %s", (_, upper, expected) => {
    expect(outline(apply([lower, upper]))).toEqual(expected);
  });

  test("in the reference's reading act in order", () => {
    expect(outline(apply([[dir("d"), file("d/a"), file("d/.wh.a")]], true))).toEqual(["/d/"]);
    expect(outline(apply([[dir("d"), file("d/a"), file(opaque), file("d/b")]], true))).toEqual(["/d/", "/d/b x"]);
    expect(outline(apply([[dir("d"), file("d/.wh.a"), file("d/a")]], true))).toEqual(["/d/", "/d/a x"]);
  });
});
