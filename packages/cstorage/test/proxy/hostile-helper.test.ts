import { closeSync, openSync } from "node:fs";
import { type FdMessage, FdSocket } from "@composefs/splitfdstream";
import { afterEach, beforeEach, expect, test } from "vitest";
import { discoverStores } from "../../src/discover.ts";
import { HelperConnection } from "../../src/proxy/connection.ts";
import { encodeRun } from "../../src/proxy/layer-payload.ts";
import { proxiedLayer } from "../../src/proxy/proxied-layer.ts";
import { decodeRpc, encodeRpc, type RpcMessage } from "../../src/proxy/rpc-message.ts";
import { StorageProxy } from "../../src/proxy/storage-proxy.ts";
import type { Storage } from "../../src/storage.ts";
import { idOf, openFds, removeTempDirs, StoreDir, sha256 } from "../store-dir.ts";
import { settled } from "./support.ts";

const FACTS = { id: idOf("a1"), diffId: sha256("x"), uncompressedSize: 10, root: "/store" };

let ours: FdSocket;
let theirs: FdSocket;
let messages: AsyncGenerator<FdMessage>;
let connection: HelperConnection;
let file: number;
let before: number;

beforeEach(() => {
  before = openFds();
  file = openSync("/etc/passwd", "r");
  [ours, theirs] = FdSocket.pair({ maxBytes: 100_000 });
  messages = theirs.messages();
  connection = new HelperConnection(ours, async () => "signal SIGKILL");
});

afterEach(async () => {
  await connection.close();
  theirs.close();
  closeSync(file);
  await settled();
  expect(openFds()).toBe(before);
  removeTempDirs();
});

/** What the pull asked. */
async function asked(): Promise<Extract<RpcMessage, { kind: "request" }>> {
  const { value } = (await messages.next()) as { value: FdMessage };
  for (const fd of value.fds) closeSync(fd);
  return decodeRpc(value.data).message as Extract<RpcMessage, { kind: "request" }>;
}

const run = (stream: number, number: number) =>
  ({ kind: "notification", method: "stream.run", params: { stream, number } }) as const;
const PAYLOAD = encodeRun({
  chunks: [{ inline: Buffer.from("12345") }, { external: 0 }],
  firstFile: 0,
  files: [{ name: Buffer.from("f"), path: Buffer.from("f"), size: 5, crc64: null }],
});

/** Reads a layer while the helper answers with `answer`; gives what reading ended by. */
async function readAgainst(answer: (id: number) => Promise<void>): Promise<unknown> {
  const reading = (async () => {
    const content = await proxiedLayer(connection, FACTS).open();
    try {
      let runs = 0;
      for await (const batch of content.batches()) {
        batch.content.release();
        runs += 1;
      }
      return runs;
    } finally {
      await content.close();
    }
  })().catch((error: unknown) => error);
  const { id } = await asked();
  await theirs.send(encodeRpc({ kind: "notification", method: "stream.start", params: { stream: id } }));
  await answer(id);
  return reading;
}

test("a helper that keeps to the protocol", async () => {
  const runs = await readAgainst(async (id) => {
    await theirs.send(encodeRpc(run(id, 0), PAYLOAD), [file]);
    await theirs.send(encodeRpc({ kind: "result", id, result: { runs: 1 } }));
  });
  expect(runs).toBe(1);
});

type Answer = (id: number) => Promise<void>;
const result = (id: number, runs: unknown) => encodeRpc({ kind: "result", id, result: { runs } });
const faults: readonly [string, Answer][] = [
  ["no JSON", () => theirs.send(Buffer.from("\x05\0\0\0{oops"))],
  ["JSON cut short", () => theirs.send(Buffer.from("\xff\0\0\0{}"))],
  ["an empty message", () => theirs.send(Buffer.alloc(0))],
  ["an array", () => theirs.send(Buffer.from("\x02\0\0\0[]"))],
  ["another version", () => theirs.send(Buffer.from('\x08\0\0\0{"id":1}'))],
  ["more than the limit", () => theirs.send(Buffer.alloc(100_001))],
  ["an answer to another question", (id) => theirs.send(result(id + 7, 0))],
  ["a question", (id) => theirs.send(encodeRpc({ kind: "request", id, method: "x", params: {} }))],
  ["an unknown notification", () => theirs.send(encodeRpc({ kind: "notification", method: "x", params: {} }))],
  ["a run of no stream", (id) => theirs.send(encodeRpc(run(id + 1, 0), PAYLOAD), [file])],
  ["a run too early", (id) => theirs.send(encodeRpc(run(id, 1), PAYLOAD), [file])],
  [
    "a run twice",
    async (id) => {
      await theirs.send(encodeRpc(run(id, 0), PAYLOAD), [file]);
      await theirs.send(encodeRpc(run(id, 0), PAYLOAD), [file]);
    },
  ],
  ["a run without its descriptor", (id) => theirs.send(encodeRpc(run(id, 0), PAYLOAD))],
  ["a run with one descriptor more", (id) => theirs.send(encodeRpc(run(id, 0), PAYLOAD), [file, file])],
  ["a run cut short", (id) => theirs.send(encodeRpc(run(id, 0), PAYLOAD.subarray(0, 12)), [file])],
  ["a run with bytes after it", (id) => theirs.send(encodeRpc(run(id, 0), Buffer.concat([PAYLOAD, PAYLOAD])), [file])],
  ["descriptors with an answer", (id) => theirs.send(result(id, 0), [file])],
  ["a wrong number of runs", (id) => theirs.send(result(id, 1))],
  ["no number of runs", (id) => theirs.send(result(id, "none"))],
  ["an end of the connection", async () => theirs.close()],
];
test.each(faults)("%s: a protocol error, and nothing stays open", async (_, answer) => {
  expect(await readAgainst(answer)).toMatchObject({ name: "CstorageError", code: "HELPER_PROTOCOL" });
});

test("more runs than the window allows: a protocol error, and nothing stays open", async () => {
  const opening = proxiedLayer(connection, FACTS).open();
  const { id, params } = await asked();
  await theirs.send(encodeRpc({ kind: "notification", method: "stream.start", params: { stream: id } }));
  const content = await opening;
  const empty = encodeRun({ chunks: [{ inline: Buffer.from("1") }], firstFile: 0, files: [] });
  for (let i = 0; i <= (params.window as number); i++) await theirs.send(encodeRpc(run(id, i), empty));
  // Nothing has been read by now; the pull ends the connection by itself.
  expect(await messages.next()).toMatchObject({ done: true });
  await expect(content.batches().next()).rejects.toMatchObject({ code: "HELPER_PROTOCOL" });
  await content.close();
});

test("how the helper ended is told", async () => {
  const error = await readAgainst(async () => theirs.close());
  expect(error).toMatchObject({ details: { helper: "signal SIGKILL" } });
});

test("a layer shorter than the store says is no whole layer", async () => {
  const error = await readAgainst((id) => theirs.send(result(id, 0)));
  expect(error).toMatchObject({ code: "DIFF_ID_MISMATCH" });
});

test.each([
  [{ code: -32003, message: "m", data: { type: "cstorage", code: "SIZE_MISMATCH" } }, "SIZE_MISMATCH"],
  [{ code: -32003, message: "m", data: { type: "kernel", errno: 5, syscall: "read" } }, "EIO"],
  [{ code: -32003, message: "m", data: { type: "kernel", errno: 1e9 } }, "HELPER_RPC"],
  [{ code: -32003, message: "m", data: { type: "cstorage", code: "toString" } }, "HELPER_RPC"],
  [{ code: -32601, message: 5 }, "HELPER_RPC"],
  [{}, "HELPER_RPC"],
])("an error of the helper: %j", async (error, code) => {
  const end = await readAgainst((id) => theirs.send(encodeRpc({ kind: "error", id, error })));
  expect(end).toMatchObject({ code });
});

test("answers of the wrong shape", async () => {
  const store = new StoreDir();
  const storage: Storage = await discoverStores({ root: store.root, env: {} });
  const connecting = StorageProxy.connect(connection, storage);
  await theirs.send(encodeRpc({ kind: "result", id: (await asked()).id, result: {} }));
  const proxy = await connecting;
  const shapes: readonly object[] = [
    {},
    { images: {} },
    { images: [null] },
    { images: [{ id: 1, names: [], digest: null, root: "/" }] },
    { images: [{ id: "a", names: [1], digest: null, root: "/" }] },
  ];
  for (const shape of shapes) {
    const images = proxy.images().catch((error: unknown) => error);
    await theirs.send(encodeRpc({ kind: "result", id: (await asked()).id, result: { ...shape } }));
    expect(await images).toMatchObject({ code: "HELPER_PROTOCOL" });
  }
  await storage.close();
});
