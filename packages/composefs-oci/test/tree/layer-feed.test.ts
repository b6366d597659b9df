import { createDirectory, type ObjectId, type Splitstream, type SplitstreamPart } from "@composefs/core";
import { TarParser } from "@composefs/tar-header";
import fc from "fast-check";
import { afterEach, describe, expect, test } from "vitest";
import type { OciDigest } from "../../src/digest.ts";
import { storeTarLayer } from "../../src/layer/import-layer.ts";
import { applyLayer, LayerApplier } from "../../src/tree/apply-layer.ts";
import type { LayerEntry } from "../../src/tree/entry-builder.ts";
import { layerEntries } from "../../src/tree/layer-entries.ts";
import { LayerFeed } from "../../src/tree/layer-feed.ts";
import { chunked } from "../tar-builder.ts";
import { removeRepositories, tempRepository } from "../temp-repository.ts";
import { outline } from "./outline.ts";
import { dir, file, layerStream, link, symlink, type TestEntry, tarBytes } from "./tar-builder.ts";

const DIFF_ID = `sha256:${"a".repeat(64)}` as OciDigest;
const ENTRIES: readonly TestEntry[] = [
  dir("d"),
  file("d/large", "y".repeat(65)),
  file("d/small", "content"),
  link("d/link", "d/large"),
  symlink("s", "d"),
  file("empty", ""),
];
const EXPECTED = ["/d/", "/d/large external", "/d/link external =0", "/d/small content", "/empty ", "/s -> d"];

afterEach(removeRepositories);

async function collect(feed: LayerFeed): Promise<LayerEntry[]> {
  const entries: LayerEntry[] = [];
  for await (const run of feed.runs()) entries.push(...run);
  return entries;
}

function treeOf(entries: readonly LayerEntry[]): string[] {
  const root = createDirectory();
  const applier = new LayerApplier(root, DIFF_ID);
  for (const entry of entries) applier.apply(entry);
  applier.finish();
  return outline(root).sort();
}

/** The parts with inline bytes cut into pieces of some length. */
function* cut(stream: Splitstream, length: number): Generator<SplitstreamPart> {
  for (const part of stream.parts()) {
    if ("object" in part) yield part;
    else for (let at = 0; at < part.inline.length; at += length) yield { inline: part.inline.slice(at, at + length) };
  }
}

test("entries do not depend on how the parts are cut, nor on what becomes of their bytes", async () => {
  const root = createDirectory();
  applyLayer(root, { diffId: DIFF_ID, stream: layerStream(ENTRIES) });
  expect(outline(root).sort()).toEqual(EXPECTED);
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 1, max: 2000 }), async (length) => {
      const feed = new LayerFeed(DIFF_ID);
      for (const part of cut(layerStream(ENTRIES), length)) {
        feed.onPart(part);
        if ("inline" in part) part.inline.fill(0xa5);
      }
      feed.end();
      expect(treeOf(await collect(feed))).toEqual(EXPECTED);
    }),
    { numRuns: 60 },
  );
});

test("a tar that is parsed as it is stored gives the entries that its splitstream gives", async () => {
  const repository = await tempRepository();
  const files = [...ENTRIES, file("d/huge", "z".repeat(1_200_000)), dir("e"), file("e/last", "w".repeat(3000))];
  const tar = tarBytes(files);
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 1, max: 600 }), fc.boolean(), async (blocks, odd) => {
      const feed = new LayerFeed(DIFF_ID);
      const release = (chunk: Uint8Array): void => void chunk.fill(0xa5);
      const chunks = chunked(tar, 512 * blocks - (odd ? 100 : 0));
      const { id } = await storeTarLayer(repository, DIFF_ID, copies(chunks), {
        verify: false,
        listener: feed,
        release,
      });
      feed.end();
      const entries = await collect(feed);
      expect(entries).toHaveLength(files.length);
      const stream = await repository.openStreamObject(id, "of the test");
      expect(entries).toEqual([...layerEntries(stream, DIFF_ID)]);
    }),
    { numRuns: 40 },
  );
});

async function* copies(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  for await (const chunk of chunks) yield new Uint8Array(chunk);
}

test("a part with very many entries", async () => {
  const [header] = [...layerStream([dir("a")]).parts()] as [{ readonly inline: Uint8Array }];
  const count = 300_000; // a call takes some 120,000 arguments
  const feed = new LayerFeed(DIFF_ID);
  feed.onPart({ inline: Buffer.alloc(512 * count, header.inline) });
  feed.end();
  let found = 0;
  for await (const run of feed.runs()) found += run.length;
  expect(found).toBe(count);
});

test("entries are there before the end, and the end is waited for", async () => {
  const feed = new LayerFeed(DIFF_ID);
  const runs = feed.runs();
  const [first, ...others] = [...layerStream([dir("a"), dir("b")]).parts()] as [SplitstreamPart, ...SplitstreamPart[]];
  const next = runs.next();
  feed.onPart(first);
  expect((await next).value).toMatchObject([{ path: "a" }]);
  let ended = false;
  const rest = collect(feed).then((entries) => {
    ended = true;
    return entries;
  });
  for (const part of others) feed.onPart(part);
  await new Promise((resolve) => setTimeout(resolve, 5));
  expect(ended).toBe(false);
  feed.end();
  expect(await rest).toMatchObject([{ path: "b" }]);
});

describe("errors come after the entries before them", () => {
  const broken = (): SplitstreamPart => ({ inline: new Uint8Array(512).fill(0x41) });
  test.each<[string, (feed: LayerFeed) => void, object]>([
    ["bytes that are no header", (feed) => feed.onPart(broken()), { code: "INVALID_NUMBER" }],
    ["an object where no file begins", (feed) => feed.onPart({ object: "00" as never }), { code: "LAYER_UNSUPPORTED" }],
    ["a tar that is cut off", (feed) => feed.onPart({ inline: new Uint8Array(100) }), { code: "TAR_MALFORMED" }],
    ["the layer was not stored", (feed) => feed.fail(new Error("gone")), { message: "gone" }],
  ])("%s", async (_, spoil, expected) => {
    const feed = new LayerFeed(DIFF_ID);
    feed.onPart([...layerStream([dir("a")]).parts()][0] as SplitstreamPart);
    spoil(feed);
    feed.end();
    const runs = feed.runs();
    expect((await runs.next()).value).toMatchObject([{ path: "a" }]);
    await expect(runs.next()).rejects.toMatchObject(expected);
  });

  test("of the same part, too", async () => {
    const feed = new LayerFeed(DIFF_ID);
    const [good, odd] = [dir("a"), { path: "b", type: "D" }].map((entry) => [...layerStream([entry]).parts()][0]);
    feed.onPart({ inline: Buffer.concat([good, odd].map((part) => (part as { readonly inline: Uint8Array }).inline)) });
    const runs = feed.runs();
    expect((await runs.next()).value).toMatchObject([{ path: "a" }]);
    await expect(runs.next()).rejects.toMatchObject({ code: "LAYER_UNSUPPORTED" });
  });

  test("also those whose objects come later", async () => {
    const feed = new LayerFeed(DIFF_ID);
    const odd = { path: "odd", type: "D" };
    for (const event of new TarParser().push(tarBytes([file("large", "y".repeat(65)), dir("a"), odd, dir("b")]))) {
      if (event.type === "entry") feed.onEvent(event);
    }
    const id = "00" as ObjectId;
    feed.onObject(id);
    const runs = feed.runs();
    expect((await runs.next()).value).toMatchObject([{ path: "large", content: { id, size: 65n } }, { path: "a" }]);
    await expect(runs.next()).rejects.toMatchObject({ code: "LAYER_UNSUPPORTED", details: { path: "odd" } });
  });

  test("only the first counts, and parts after it do not", async () => {
    const feed = new LayerFeed(DIFF_ID);
    feed.fail(new Error("first"));
    feed.fail(new Error("second"));
    feed.onPart(broken());
    await expect(collect(feed)).rejects.toThrow("first");
  });
});

test("a feed that nothing was told is empty", async () => {
  const feed = new LayerFeed(DIFF_ID);
  feed.end();
  expect(await collect(feed)).toEqual([]);
  expect(feed.isEmpty).toBe(true);
});

test("nothing is held for a tree that is not made any more", async () => {
  const feed = new LayerFeed(DIFF_ID);
  const [first, second] = [...layerStream([dir("a"), dir("b")]).parts()].filter((part) => "inline" in part);
  feed.onPart(first as SplitstreamPart);
  for await (const run of feed.runs()) {
    expect(run).toHaveLength(1);
    break;
  }
  feed.onPart(second as SplitstreamPart);
  await expect(collect(feed)).rejects.toBeUndefined();
});
