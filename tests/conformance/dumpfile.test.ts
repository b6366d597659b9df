import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import type { HashName } from "@composefs/reflink";
import { expect, test } from "vitest";
import { parseDumpfileBytes } from "../../packages/composefs/src/dumpfile/parse.ts";
import { writeDumpfile } from "../../packages/composefs/src/dumpfile/write.ts";

/** Recorded with composefs-rs 0.9.0; see testdata/README.md. */
interface Case {
  readonly name: string;
  readonly dump: Readonly<
    Record<
      HashName,
      { file: string; sha256: string; lines: number; canonical_sha256: string; input_is_canonical: boolean }
    >
  >;
}

const directory = new URL("../../testdata/erofs/", import.meta.url);
const { cases } = JSON.parse(readFileSync(new URL("vectors.json", directory), "utf8")) as { cases: Case[] };
const runs = cases.flatMap(({ name, dump }) =>
  (["sha256", "sha512"] as const).map((hash) => ({ name, hash, dump: dump[hash] })),
);

/** Cases whose times no dumpfile can hold, or whose files without digest get one. */
const LOSSY = new Set(["14-times-ids", "18-odd-lines", "21-nasty-raw"]);

test("all cases are there", () => {
  expect(cases.length).toBe(23);
});

test.each(runs)("$name $hash: read and written", ({ name, hash, dump }) => {
  const input = readFileSync(new URL(dump.file, directory));
  const root = parseDumpfileBytes(input, { hash });
  const text = [...writeDumpfile(root, { losses: "write" })].join("");
  expect(createHash("sha256").update(text).digest("hex")).toBe(dump.canonical_sha256);
  if (dump.input_is_canonical) expect(text).toBe(input.toString("latin1"));
  if (LOSSY.has(name)) {
    expect(() => [...writeDumpfile(root)]).toThrow(expect.objectContaining({ code: "DUMPFILE_UNREPRESENTABLE" }));
  } else {
    expect([...writeDumpfile(root)].join("")).toBe(text);
  }
});
