import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { parseDumpfileBytes } from "../../packages/composefs/src/dumpfile/parse.ts";
import { writeDumpfile } from "../../packages/composefs/src/dumpfile/write.ts";
import { adjustTree, splitHardLinks } from "../../packages/composefs/src/tree/adjust.ts";
import type { Directory } from "../../packages/composefs/src/tree/node.ts";
import { prepareBootTree, prepareTree } from "../../packages/composefs/src/tree/prepare.ts";

/** Recorded with composefs-rs 0.9.4; `about` in the file says how. */
const recorded = JSON.parse(readFileSync(new URL("../../testdata/erofs/tree-steps.json", import.meta.url), "utf8")) as {
  plain: string;
  prepared: string;
  keptUserXattrs: string;
  bootable: string;
  plain256: string;
  split: string;
  mkcomposefs: { options: string[]; dump: string }[];
};

function after(text: string, hash: "sha256" | "sha512", step: (root: Directory) => void): string {
  const root = parseDumpfileBytes(Buffer.from(text), { hash });
  step(root);
  return [...writeDumpfile(root)].join("");
}

test.each([
  ["plain", () => undefined],
  ["prepared", (root: Directory) => prepareTree(root)],
  ["keptUserXattrs", (root: Directory) => prepareTree(root, { xattrs: "keep-user-xattrs" })],
  [
    "bootable",
    (root: Directory) => {
      prepareTree(root);
      prepareBootTree(root);
    },
  ],
] as const)("a directory, %s", (name, step) => {
  expect(after(recorded.plain, "sha512", step)).toBe(recorded[name]);
});

test.each(recorded.mkcomposefs.map(({ options, dump }) => [options.join(" "), dump] as const))(
  "mkcomposefs %s",
  (options, dump) => {
    const adjusted = after(recorded.plain256, "sha256", (root) =>
      adjustTree(root, {
        skipXattrs: options.includes("--skip-xattrs"),
        userXattrs: options.includes("--user-xattrs"),
        useEpoch: options.includes("--use-epoch"),
        skipDevices: options.includes("--skip-devices"),
      }),
    );
    expect(adjusted).toBe(dump);
  },
);

test("mkcomposefs without --hardlinks", () => {
  expect(after(recorded.plain256, "sha256", splitHardLinks)).toBe(recorded.split);
});
