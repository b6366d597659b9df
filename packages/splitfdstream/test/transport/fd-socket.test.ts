import { closeSync, fstatSync, mkdtempSync, openSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { sendFds, socketPair } from "@composefs/reflink";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type FdMessage, FdSocket } from "../../src/transport/fd-socket.ts";

const openFds = (): number => readdirSync("/proc/self/fd").length;

let dir: string;
let file: number;

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "fd-socket-"));
  writeFileSync(join(dir, "file"), "content");
  file = openSync(join(dir, "file"), "r");
});

afterEach(() => {
  closeSync(file);
  rmSync(dir, { recursive: true });
});

async function next(messages: AsyncGenerator<FdMessage>): Promise<FdMessage> {
  const { value, done } = await messages.next();
  if (done) throw new Error("no more messages");
  return value;
}

describe("between two sockets", () => {
  test.each([
    [0, 0],
    [0, 1],
    [1, 253],
    [3_000_000, 253],
  ])("passes %d bytes with %d descriptors", async (size, count) => {
    const before = openFds();
    const [here, there] = FdSocket.pair();
    const data = Buffer.alloc(size, "abc");
    const sent = here.send(
      data,
      Array.from({ length: count }, () => file),
    );
    const messages = there.messages();
    const message = await next(messages);
    await sent;
    expect(Buffer.compare(message.data, data)).toBe(0);
    expect(message.fds.length).toBe(count);
    for (const fd of message.fds) {
      expect(readFileSync(fd, "utf8").slice(0, 7)).toBe(fd === message.fds[0] ? "content" : "");
      closeSync(fd);
    }
    here.close();
    expect(await messages.next()).toEqual({ value: undefined, done: true });
    await settled();
    expect(openFds()).toBe(before);
  });

  test("keeps the order of many messages and their descriptors", async () => {
    const [here, there] = FdSocket.pair();
    const total = 400;
    const sending = (async () => {
      for (let i = 0; i < total; i++) {
        const fds = Array.from({ length: i % 5 }, () => file);
        await here.send(Buffer.from(`${i} ${"x".repeat((i * 997) % 20_000)}`), fds);
      }
      here.close();
    })();
    let count = 0;
    for await (const { data, fds } of there.messages()) {
      expect(Number.parseInt(Buffer.from(data).toString("latin1"), 10)).toBe(count);
      expect(fds.length).toBe(count % 5);
      for (const fd of fds) closeSync(fd);
      count += 1;
    }
    await sending;
    expect(count).toBe(total);
  });

  test("waits for a reader that is slow, and for one that takes no descriptors", async () => {
    const before = openFds();
    const [here, there] = FdSocket.pair();
    let sent = 0;
    const sending = (async () => {
      for (let i = 0; i < 1000; i++, sent++) await here.send(Buffer.from("x"), [file, file]);
    })();
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(sent).toBeLessThan(1000);
    const messages = there.messages();
    for (let i = 0; i < 1000; i++) for (const fd of (await next(messages)).fds) closeSync(fd);
    await sending;
    here.close();
    there.close();
    await settled();
    expect(openFds()).toBe(before);
  });

  test("closing frees descriptors that were under way", async () => {
    const before = openFds();
    const [here, there] = FdSocket.pair();
    await here.send(Buffer.from("x"), [file]);
    here.close();
    there.close();
    await settled();
    expect(openFds()).toBe(before);
  });

  test("sending to a peer that is gone", async () => {
    const [here, there] = FdSocket.pair();
    there.close();
    await settled();
    await expect(here.send(Buffer.alloc(10), [file])).rejects.toMatchObject({ code: "CONNECTION_ENDED" });
    await expect(here.send(Buffer.alloc(10))).rejects.toMatchObject({ code: "CONNECTION_ENDED" });
    here.close();
    await expect(here.send(Buffer.alloc(10))).rejects.toMatchObject({ code: "CONNECTION_ENDED" });
  });

  test("closing the own end ends reading", async () => {
    const [here, there] = FdSocket.pair();
    const reading = here.messages().next();
    await settled();
    here.close();
    await expect(reading).rejects.toMatchObject({ code: "CONNECTION_ENDED" });
    there.close();
  });
});

/** A frame by hand: number, length, descriptors, data. */
function frame(number: number, length: number, fds: number, data = Buffer.alloc(length)): Buffer {
  const bytes = Buffer.alloc(12);
  bytes.writeUInt32LE(number, 0);
  bytes.writeUInt32LE(length, 4);
  bytes.writeUInt32LE(fds, 8);
  return Buffer.concat([bytes, data]);
}

function packet(number: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(number);
  return bytes;
}

describe("against a peer that breaks the format", () => {
  /** What the peer does before the bytes are written. */
  const cases: readonly [string, Buffer, (packets: number) => void, string][] = [
    ["a wrong number", frame(1, 0, 0), () => undefined, "MESSAGE_INVALID"],
    ["too much data", frame(0, 1001, 0), () => undefined, "MESSAGE_INVALID"],
    ["a length of 4 GiB", frame(0, 2 ** 32 - 1, 0, Buffer.alloc(0)), () => undefined, "MESSAGE_INVALID"],
    ["too many descriptors announced", frame(0, 0, 9), () => undefined, "MESSAGE_INVALID"],
    ["missing descriptors", frame(0, 0, 1), () => undefined, "MESSAGE_INVALID"],
    ["fewer descriptors", frame(0, 0, 2), (fd) => sendFds(fd, packet(0), [file]), "MESSAGE_INVALID"],
    ["more descriptors", frame(0, 0, 1), (fd) => sendFds(fd, packet(0), [file, file]), "MESSAGE_INVALID"],
    ["descriptors of another message", frame(0, 0, 1), (fd) => sendFds(fd, packet(7), [file]), "MESSAGE_INVALID"],
    ["a packet that is too long", frame(0, 0, 1), (fd) => sendFds(fd, Buffer.alloc(9), [file]), "MESSAGE_INVALID"],
    [
      "descriptors that were not announced",
      Buffer.concat([frame(0, 1, 0), frame(1, 0, 1)]),
      (fd) => {
        sendFds(fd, packet(0), [file]);
        sendFds(fd, packet(1), [file]);
      },
      "MESSAGE_INVALID",
    ],
    ["an end within the frame", Buffer.alloc(5), () => undefined, "TRUNCATED"],
    ["an end within the data", frame(0, 9, 0, Buffer.alloc(3)), () => undefined, "TRUNCATED"],
  ];
  test.each(cases)("%s", async (_, bytes, prepare, code) => {
    const before = openFds();
    const [ours, theirs] = socketPair("stream");
    const [packets, theirPackets] = socketPair("packets");
    sendFds(theirs, Buffer.from("fd-socket 1"), [packets]);
    closeSync(packets);
    const socket = FdSocket.inherit(ours, { maxBytes: 1000, maxFds: 8 });
    prepare(theirPackets);
    const peer = new Socket({ fd: theirs, readable: true, writable: true });
    peer.on("error", () => undefined);
    peer.end(bytes);
    const read = async () => {
      for await (const { fds } of socket.messages()) for (const fd of fds) closeSync(fd);
    };
    await expect(read()).rejects.toMatchObject({ code });
    peer.destroy();
    closeSync(theirPackets);
    await settled();
    expect(openFds()).toBe(before);
  });

  test("inheriting a socket without the greeting, or no socket at all", () => {
    const [ours, theirs] = socketPair("stream");
    expect(() => FdSocket.inherit(ours)).toThrow(expect.objectContaining({ code: "EAGAIN" }));
    sendFds(theirs, Buffer.from("something else"), [file, file]);
    const before = openFds();
    expect(() => FdSocket.inherit(ours)).toThrow(expect.objectContaining({ code: "MESSAGE_INVALID" }));
    expect(openFds()).toBe(before);
    expect(() => FdSocket.inherit(file)).toThrow(expect.objectContaining({ code: "ENOTSOCK" }));
    closeSync(ours);
    closeSync(theirs);
  });

  test("a heir keeps no descriptor of the parent's end", async () => {
    const before = openFds();
    const { socket, inheritable } = FdSocket.withHeir();
    const heir = FdSocket.inherit(inheritable);
    await socket.send(Buffer.from("hello"), [file]);
    const [fd] = (await next(heir.messages())).fds;
    expect(fstatSync(fd as number).size).toBe(7);
    closeSync(fd as number);
    socket.close();
    heir.close();
    await settled();
    expect(openFds()).toBe(before);
  });
});

/** Lets handles that were closed go. */
async function settled(): Promise<void> {
  for (let i = 0; i < 3; i++) await new Promise((resolve) => setImmediate(resolve));
}
