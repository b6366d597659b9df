import { closeSync, mkdtempSync, openSync, readSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { decodeStream } from "../src/decode-stream.ts";
import { encodeStream } from "../src/encode-stream.ts";
import { reconstruct } from "../src/reconstruct.ts";
import type { SplitChunk } from "../src/split-chunk.ts";

let directory: string;
let fds: number[];
const contents = [Buffer.from("small"), Buffer.alloc(0), Buffer.alloc(1_500_000, "0123456789abc")];

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), "reconstruct-"));
  fds = contents.map((content, index) => {
    writeFileSync(join(directory, String(index)), content);
    return openSync(join(directory, String(index)), "r");
  });
});
afterAll(() => {
  fds.forEach(closeSync);
  rmSync(directory, { recursive: true });
});

async function collect(source: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const all: Uint8Array[] = [];
  for await (const piece of source) {
    expect(piece.length).toBeGreaterThan(0);
    all.push(piece);
  }
  return Buffer.concat(all);
}

const inline = Buffer.from("inline");
const chunks: SplitChunk[] = [
  { external: 2 },
  { inline },
  { inline: new Uint8Array(0) },
  { external: 1 },
  { external: 0 },
  { external: 2 },
];
const [small, , large] = contents as [Buffer, Buffer, Buffer];
const whole = Buffer.concat([large, inline, small, large]);

test("chunks as values and as bytes give the same stream", async () => {
  expect((await collect(reconstruct(chunks, fds))).equals(whole)).toBe(true);
  expect((await collect(reconstruct(decodeStream(encodeStream(chunks)), fds))).equals(whole)).toBe(true);
});

test("the descriptors' own offsets neither count nor change", async () => {
  const [fd] = fds as [number];
  readSync(fd, Buffer.alloc(2), 0, 2, null);
  expect((await collect(reconstruct([{ external: 0 }], fds))).toString()).toBe("small");
  const rest = Buffer.alloc(9);
  expect(rest.toString("latin1", 0, readSync(fd, rest, 0, 9, null))).toBe("all");
});

test("an index without a file", async () => {
  await expect(collect(reconstruct([{ external: 3 }], fds))).rejects.toMatchObject({
    code: "FD_INDEX_OUT_OF_RANGE",
    details: { index: 3, files: 3 },
  });
});

test("errors of the kernel pass as they are", async () => {
  const fd = openSync(directory, "r");
  await expect(collect(reconstruct([{ external: 0 }], [fd])).finally(() => closeSync(fd))).rejects.toMatchObject({
    code: "EISDIR",
    syscall: "read",
  });
});

test("an abort ends it with the signal's reason", async () => {
  const reason = new Error("enough");
  const aborted = AbortSignal.abort(reason);
  await expect(collect(reconstruct(chunks, fds, { signal: aborted }))).rejects.toBe(reason);
  await expect(decodeStream(encodeStream(chunks), { signal: aborted }).next()).rejects.toBe(reason);
  const controller = new AbortController();
  const midway = async (): Promise<void> => {
    for await (const _ of reconstruct([{ external: 2 }], fds, { signal: controller.signal })) {
      controller.abort(reason);
    }
  };
  await expect(midway()).rejects.toBe(reason);
});
