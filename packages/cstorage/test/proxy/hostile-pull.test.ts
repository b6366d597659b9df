import { closeSync, constants, mkdirSync, openSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { type FdMessage, FdSocket } from "@composefs/splitfdstream";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { serveStores } from "../../src/proxy/helper.ts";
import { decodeRpc, encodeRpc, type RpcFields, type RpcMessage } from "../../src/proxy/rpc-message.ts";
import { idOf, openFds, removeTempDirs, StoreDir, tempDir } from "../store-dir.ts";
import { fileLine, headerOf, segmentLine } from "../tar-split-builder.ts";
import { settled } from "./support.ts";

let store: StoreDir;
let socket: FdSocket;
let served: Promise<void>;
let messages: AsyncGenerator<FdMessage>;
let before: number;
let nextId = 0;

beforeEach(() => {
  store = new StoreDir();
  before = openFds();
  const [ours, theirs] = FdSocket.pair({ maxBytes: 256 * 1024 });
  socket = ours;
  messages = socket.messages();
  served = serveStores(theirs);
  served.catch(() => undefined);
});

afterEach(async () => {
  socket.close();
  await served.catch(() => undefined);
  await settled();
  expect(openFds()).toBe(before);
  removeTempDirs();
});

async function ask(method: string, params: RpcFields, fds: readonly number[] = []): Promise<RpcMessage> {
  await socket.send(encodeRpc({ kind: "request", id: nextId++, method, params }), fds);
  return (await received()).message;
}

async function received(): Promise<{ message: RpcMessage; files: string[] }> {
  const { value, done } = await messages.next();
  if (done) throw new Error("the helper has ended");
  const files = value.fds.map((fd: number) => {
    const text = readFileSync(fd, "utf8");
    closeSync(fd);
    return text;
  });
  return { message: decodeRpc(value.data).message, files };
}

async function openStore(root: string = store.root): Promise<RpcMessage> {
  const fd = openSync(root, constants.O_DIRECTORY);
  try {
    return await ask("userns.openStores", { stores: [{ root, role: "primary", split: false }] }, [fd]);
  } finally {
    closeSync(fd);
  }
}

const stream = (id: string, diffId: string): Promise<RpcMessage> =>
  ask("userns.streamLayer", { layer_id: id, diff_id: diffId, window: 4, max_files: 10 });

describe("messages that end the helper", () => {
  const cases: readonly [string, () => Promise<unknown>][] = [
    ["no JSON", () => socket.send(Buffer.from("hello"))],
    ["an answer", () => socket.send(encodeRpc({ kind: "result", id: 0, result: {} }))],
    ["a message of 1 MiB", () => socket.send(Buffer.alloc(1024 * 1024))],
    ["an unknown notification", () => socket.send(encodeRpc({ kind: "notification", method: "x", params: {} }))],
    ["a request before any store", () => ask("userns.listImages", {})],
    ["stores without directories", () => ask("userns.openStores", { stores: [{ root: "/", role: "primary" }] })],
    ["no stores", () => ask("userns.openStores", { stores: [] })],
    ["a role that there is not", () => ask("userns.openStores", { stores: [{ root: "/", role: "any" }] })],
    [
      "stores a second time",
      async () => {
        await openStore();
        await openStore();
      },
    ],
    [
      "descriptors with another request",
      async () => {
        await openStore();
        const fd = openSync("/", "r");
        await ask("userns.listImages", {}, [fd]).finally(() => closeSync(fd));
      },
    ],
  ];
  test.each(cases)("%s", async (_, send) => {
    await send().catch(() => undefined);
    await expect(served).rejects.toThrow();
    const end = await messages.next().catch((error: unknown) => ({ done: true, error }));
    expect(end.done).toBe(true);
  });
});

describe("requests that are refused", () => {
  test.each([
    ["userns.openFile", { path: "/etc/passwd" }, -32601],
    ["userns.getLayer", {}, -32602],
    ["userns.getLayer", { layer_id: "../../etc" }, -32000],
    ["userns.streamLayer", { layer_id: idOf("a1"), diff_id: "x", window: 0, max_files: 10 }, -32602],
    ["userns.streamLayer", { layer_id: idOf("a1"), diff_id: "x", window: 4, max_files: 254 }, -32602],
    ["userns.streamLayer", { layer_id: "../..", diff_id: "x", window: 4, max_files: 10 }, -32000],
    ["userns.getManifest", { image_id: "../../../etc", root: "/" }, -32000],
    ["userns.getImage", { image_ref: "../../etc/passwd" }, -32000],
    ["userns.getImage", { image_ref: "[overlay@/etc]passwd" }, -32003],
  ])("%s %j", async (method, params, code) => {
    await openStore();
    expect(await ask(method, params)).toMatchObject({ kind: "error", error: { code } });
    // It goes on serving.
    expect(await ask("userns.listImages", {})).toMatchObject({ kind: "result" });
  });
});

describe("a path outside the store cannot be had", () => {
  const SECRET = "outside the store";
  let outside: string;
  beforeEach(() => {
    outside = tempDir();
    writeFileSync(join(outside, "secret"), SECRET);
  });

  /** A layer whose tar-split, which whoever owns the store may write, names `name`. */
  function layerNaming(name: string): { id: string; diffId: string } {
    const made = store.layer("a1", {}, { record: { "diff-size": -1 } });
    const lines = [segmentLine(headerOf()), fileLine(name, Buffer.from(SECRET))];
    writeFileSync(join(store.root, `overlay-layers/${made.id}.tar-split.gz`), gzipSync(lines.join("")));
    return made;
  }

  /** Everything that comes of streaming a layer. */
  async function everythingOf(layer: { id: string; diffId: string }): Promise<{ files: string[]; end: RpcMessage }> {
    await openStore();
    let message = await stream(layer.id, layer.diffId);
    const all: string[] = [];
    while (message.kind === "notification") {
      const next = await received();
      all.push(...next.files);
      message = next.message;
    }
    return { files: all, end: message };
  }

  test("the way itself works", async () => {
    const layer = layerNaming("secret");
    store.write(`overlay/${layer.id}/diff/secret`, SECRET);
    expect(await everythingOf(layer)).toMatchObject({ files: [SECRET], end: { kind: "result", result: { runs: 1 } } });
  });

  test.each(["../../../../secret", "/secret", "a/../../../secret", "link/secret", "absolute", "proc"])(
    "by the name %s",
    async (name) => {
      const layer = layerNaming(name);
      const diff = join(store.root, `overlay/${layer.id}/diff`);
      symlinkSync(outside, join(diff, "link"));
      symlinkSync(join(outside, "secret"), join(diff, "absolute"));
      symlinkSync("/proc/self/root/etc/passwd", join(diff, "proc"));
      const { files, end } = await everythingOf(layer);
      expect(files).toEqual([]);
      expect(end).toMatchObject({ kind: "error" });
      expect(["FILE_NOT_FOUND", "UNSAFE_PATH"]).toContain(
        ((end as { error: RpcFields }).error.data as { code: string }).code,
      );
    },
  );

  test("by a layer directory or an index that is a link", async () => {
    const layer = layerNaming("secret");
    rmSync(join(store.root, `overlay/${layer.id}/diff`), { recursive: true });
    symlinkSync(outside, join(store.root, `overlay/${layer.id}/diff`));
    expect(await everythingOf(layer)).toMatchObject({ files: [], end: { kind: "error" } });
  });

  test("by a store whose own directories are links", async () => {
    const other = tempDir();
    for (const dir of ["overlay", "overlay-layers"]) mkdirSync(join(other, dir));
    symlinkSync(join(store.root, "overlay-images"), join(other, "overlay-images"));
    expect(await openStore(other)).toMatchObject({ kind: "error", error: { data: { code: "UNSAFE_PATH" } } });
  });
});

test("a pull that goes away in the middle ends the helper, whatever it waits for", async () => {
  const layer = store.layer("a1", Object.fromEntries(Array.from({ length: 100 }, (_, i) => [`v${i}/../f`, "x"])));
  await openStore();
  await stream(layer.id, layer.diffId);
  socket.close();
  await served;
});
