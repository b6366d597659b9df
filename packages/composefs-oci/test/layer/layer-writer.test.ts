import {
  contentType,
  type ObjectId,
  parseSplitstream,
  SplitstreamWriter,
  type StoreFailure,
  type StoreOutcome,
} from "@composefs/core";
import { expect, test, vi } from "vitest";
import { LayerWriter, type WriteBatch } from "../../src/layer/layer-writer.ts";

interface File {
  readonly size: number;
  readonly name: string;
}
const ID = (digit: string): ObjectId => digit.repeat(64) as ObjectId;
const failed = (step: StoreFailure["step"]): StoreOutcome => ({ failure: { step, error: null, actualSize: 0 } });
const object = (digit: string, method: "copied" | "reflinked" = "copied"): StoreOutcome => ({ id: ID(digit), method });

function setUp() {
  const stream = new SplitstreamWriter("sha256", contentType("ocilayer"));
  const writer = new LayerWriter<File>(stream, "x", ({ name }, { step }) => new Error(`${name}: ${step}`));
  return { stream, writer };
}

/** A batch of one inline byte and `names`, each of 100 bytes; `settle` decides its outcomes. */
function batch(firstFile: number, ...names: string[]) {
  const { promise, resolve, reject } = deferred();
  const files = names.map((name) => ({ name, size: 100 }));
  const value: WriteBatch<File> = {
    chunks: [{ inline: Buffer.from(`${firstFile}`) }, ...files.map((_, i) => ({ external: firstFile + i }))],
    firstFile,
    files,
    outcomes: promise,
  };
  return { value, resolve, reject };
}

function deferred() {
  let resolve: (value: StoreOutcome[]) => void = () => undefined;
  let reject: (error: unknown) => void = () => undefined;
  const promise = new Promise<StoreOutcome[]>((yes, no) => {
    resolve = yes;
    reject = no;
  });
  return { promise, resolve, reject };
}

function partsOf(stream: SplitstreamWriter): string[] {
  const parsed = parseSplitstream(stream.finish(), "sha256", "test");
  return [...parsed.parts()].map((part) =>
    "object" in part ? part.object.slice(0, 1) : Buffer.from(part.inline).toString(),
  );
}

test("batches are written in the order of submission, whatever finishes first", async () => {
  const { stream, writer } = setUp();
  const [first, second] = [batch(0, "a", "b"), batch(2, "c")];
  await writer.submit(first.value);
  await writer.submit(second.value);
  second.resolve([object("3")]);
  await Promise.resolve();
  first.resolve([object("1"), object("2", "reflinked")]);
  expect(await writer.finish()).toMatchObject({
    objectsCopied: 2,
    bytesCopied: 200,
    objectsReflinked: 1,
    bytesReflinked: 100,
    bytesInlined: 2,
  });
  expect(partsOf(stream)).toEqual(["0", "1", "2", "2", "3"]);
});

test("content that came back inline joins its neighbours", async () => {
  const { stream, writer } = setUp();
  const one = batch(0, "a", "b");
  one.resolve([{ inline: Buffer.from("small") }, object("1")]);
  await writer.submit(one.value);
  expect(await writer.finish()).toMatchObject({ objectsCopied: 1, bytesInlined: 6 });
  expect(partsOf(stream)).toEqual(["0small", "1"]);
});

test("not more than three batches are under way", async () => {
  const { writer } = setUp();
  const batches = [batch(0, "a"), batch(1, "b"), batch(2, "c")];
  await writer.submit((batches[0] as (typeof batches)[0]).value);
  await writer.submit((batches[1] as (typeof batches)[0]).value);
  let third = "waits";
  const submitted = writer.submit((batches[2] as (typeof batches)[0]).value).then(() => {
    third = "done";
  });
  await new Promise(setImmediate);
  expect(third).toBe("waits");
  batches[0]?.resolve([object("1")]);
  await submitted;
  expect(third).toBe("done");
});

test.each<[string, StoreOutcome[], string]>([
  ["first", [failed("read"), object("1"), object("2")], "a: read"],
  ["middle", [object("1"), failed("crc"), object("2")], "b: crc"],
  ["last", [object("1"), object("2"), failed("write")], "c: write"],
  ["two of them, the first one counts", [object("1"), failed("crc"), failed("size")], "b: crc"],
  ["cancelled ones give way to the cause", [failed("cancelled"), object("1"), failed("size")], "c: size"],
  ["all cancelled", [failed("cancelled"), failed("cancelled"), failed("cancelled")], "a: cancelled"],
])("a file that fails: %s", async (_, outcomes, message) => {
  const { stream, writer } = setUp();
  const one = batch(0, "a", "b", "c");
  one.resolve(outcomes);
  await writer.submit(one.value);
  await expect(writer.finish()).rejects.toThrow(message);
  expect(stream.size).toBe(0);
});

test("the earlier batch's error comes first, and nobody's is left unhandled", async () => {
  const { writer } = setUp();
  const [first, second] = [batch(0, "a"), batch(1, "b")];
  await writer.submit(first.value);
  await writer.submit(second.value);
  second.reject(new Error("second"));
  await new Promise(setImmediate);
  first.reject(new Error("first"));
  await expect(writer.finish()).rejects.toThrow("first");
  await writer.drain();
});

test("drain waits until every batch is through with its source", async () => {
  const { writer } = setUp();
  const [first, second] = [batch(0, "a"), batch(1, "b")];
  await writer.submit(first.value);
  await writer.submit(second.value);
  let drained = false;
  const draining = writer.drain().then(() => {
    drained = true;
  });
  first.reject(new Error("first"));
  await new Promise(setImmediate);
  expect(drained).toBe(false);
  second.resolve([object("1")]);
  await draining;
  expect(drained).toBe(true);
});

test("TAR_LIMIT when the splitstream gets larger than any of files", async () => {
  const { stream, writer } = setUp();
  vi.spyOn(stream, "compressedBytes", "get").mockReturnValue(2 ** 28 + 1);
  const one = batch(0, "a");
  one.resolve([object("1")]);
  await writer.submit(one.value);
  await expect(writer.finish()).rejects.toMatchObject({ code: "TAR_LIMIT", details: { layer: "x", offset: 101 } });
});
