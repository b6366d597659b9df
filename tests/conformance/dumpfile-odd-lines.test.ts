import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { parseDumpfileBytes } from "../../packages/composefs/src/dumpfile/parse.ts";
import { writeDumpfile } from "../../packages/composefs/src/dumpfile/write.ts";
import { checkTree } from "../../packages/composefs/src/tree/check.ts";
import type { Directory } from "../../packages/composefs/src/tree/node.ts";

/** Recorded with composefs-rs 0.9.4; `about` in the file says how. */
interface Case {
  readonly name: string;
  readonly text?: string;
  readonly base64?: string;
  readonly ok: boolean;
  /** The text of the tree that the reference read. */
  readonly dump?: string;
}

const { cases } = JSON.parse(readFileSync(new URL("../../testdata/erofs/odd-lines.json", import.meta.url), "utf8")) as {
  cases: Case[];
};

function read(one: Case): Directory {
  const bytes = one.text === undefined ? Buffer.from(one.base64 ?? "", "base64") : Buffer.from(one.text);
  const root = parseDumpfileBytes(bytes, { hash: "sha256" });
  checkTree(root);
  return root;
}

test.each(cases.filter((one) => one.ok))("taken: $name", (one) => {
  expect([...writeDumpfile(read(one), { losses: "write" })].join("")).toBe(one.dump);
});

test.each(cases.filter((one) => !one.ok))("refused: $name", (one) => {
  expect(() => read(one)).toThrow(
    expect.objectContaining({ code: expect.stringMatching(/^(DUMPFILE|TREE)_INVALID$/) }),
  );
});
