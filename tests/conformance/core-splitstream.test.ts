import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import {
  contentType,
  type HashName,
  initRepository,
  type ObjectId,
  parseSplitstream,
  Repository,
  SplitstreamWriter,
} from "@composefs/core";
import { verityDigest } from "@composefs/reflink";
import { expect, test } from "vitest";

/** Recorded with the reference's cfsctl; see testdata/splitstream/README.md. */
interface Case {
  readonly name: string;
  readonly hash: HashName;
  readonly type: string;
  /** Rebuilt data, gzip. */
  readonly source: string;
  readonly file: string;
  readonly id: string;
  /** Negative: so many inline bytes; otherwise an index into objectRefs. */
  readonly chunks: readonly number[];
  readonly objectRefs: readonly ObjectId[];
  readonly objectSizes: readonly number[];
  readonly streamRefs: readonly ObjectId[];
  readonly namedRefs: readonly (readonly [string, number])[];
}

const testdata = new URL("../../testdata/splitstream/", import.meta.url);
const cases = JSON.parse(readFileSync(new URL("cases.json", testdata), "utf8")) as Case[];
const table = cases.map((one) => [one.name, one.hash, one] as const);

/** The data cut at its chunks: inline bytes, or an object's id and content. */
function pieces(one: Case): { id: ObjectId | null; bytes: Buffer }[] {
  const data = gunzipSync(readFileSync(new URL(one.source, testdata)));
  let at = 0;
  const cut = one.chunks.map((value) => {
    const start = at;
    at += value < 0 ? -value : (one.objectSizes[value] as number);
    return { id: value < 0 ? null : (one.objectRefs[value] as ObjectId), bytes: data.subarray(start, at) };
  });
  expect(at).toBe(data.length);
  return cut;
}

test("all cases are there, in both hashes", () => {
  expect(cases.length).toBe(16);
  expect(new Set(cases.map(({ name, hash }) => name + hash)).size).toBe(16);
});

test.each(table)("%s %s: written byte for byte", (_, hash, one) => {
  const recorded = readFileSync(new URL(one.file, testdata));
  for (const pieceBytes of [Number.POSITIVE_INFINITY, 1000]) {
    const writer = new SplitstreamWriter(hash, contentType(one.type));
    for (const { id, bytes } of pieces(one)) {
      if (id !== null) writer.external(id, bytes.length);
      else for (let at = 0; at < bytes.length; at += pieceBytes) writer.inline(bytes.subarray(at, at + pieceBytes));
    }
    // Names in the order in which their ids were first used; the writer sorts.
    const names = [...one.namedRefs].sort(([, a], [, b]) => a - b);
    for (const [name, index] of names) writer.ref(name, one.streamRefs[index] as ObjectId);
    const file = writer.finish();
    expect(Buffer.from(verityDigest(file, hash)).toString("hex")).toBe(one.id);
    expect(Buffer.compare(file, recorded)).toBe(0);
  }
});

test.each(table)("%s %s: read", (_, hash, one) => {
  const stream = parseSplitstream(readFileSync(new URL(one.file, testdata)), hash, one.name);
  const data = gunzipSync(readFileSync(new URL(one.source, testdata)));
  expect(stream).toMatchObject({ type: one.type, size: data.length, objectRefs: one.objectRefs });
  expect([...stream.namedRefs]).toEqual(one.namedRefs.map(([name, index]) => [name, one.streamRefs[index]]));
  const chunks: number[] = [];
  let inline = 0;
  for (const part of stream.parts()) {
    if ("inline" in part) inline += part.inline.length;
    else {
      if (inline > 0) chunks.push(-inline);
      inline = 0;
      chunks.push(one.objectRefs.indexOf(part.object));
    }
  }
  if (inline > 0) chunks.push(-inline);
  expect(chunks).toEqual(one.chunks);
});

test.each(table)("%s %s: rebuilt from a repository", async (_, hash, one) => {
  const directory = mkdtempSync(join(tmpdir(), "core-splitstream-"));
  try {
    initRepository(directory, { hash, insecure: true });
    const repository = await Repository.open(directory);
    try {
      for (const { id, bytes } of pieces(one)) {
        if (id !== null) expect(await repository.objects.put(bytes, "object")).toBe(id);
      }
      const id = await repository.objects.put(readFileSync(new URL(one.file, testdata)), "stream");
      expect(id).toBe(one.id);
      const all: Uint8Array[] = [];
      for await (const piece of repository.readStream(await repository.openStreamObject(id, one.name))) all.push(piece);
      expect(Buffer.concat(all).equals(gunzipSync(readFileSync(new URL(one.source, testdata))))).toBe(true);
    } finally {
      await repository.close();
    }
  } finally {
    rmSync(directory, { recursive: true });
  }
});
