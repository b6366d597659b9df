import { closeSync, fstatSync, readSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { MAX_MESSAGE_FDS, receiveFds, sendFds, socketPair } from "../src/index.ts";
import { closeAtEnd, open, openDescriptors, temporaryDirectory } from "./support.ts";

function packets(): [number, number] {
  const [here, there] = socketPair("packets");
  return [closeAtEnd(here), closeAtEnd(there)];
}

function file(): number {
  const path = join(temporaryDirectory(), "file");
  writeFileSync(path, "content");
  return open(path);
}

test.each([1, 2, MAX_MESSAGE_FDS])("passes %d descriptors with their bytes", (count) => {
  const [here, there] = packets();
  const fd = file();
  sendFds(
    here,
    Buffer.from("data"),
    Array.from({ length: count }, () => fd),
  );
  const { data, fds, truncated } = receiveFds(there, 100);
  expect(data.toString()).toBe("data");
  expect(truncated).toBe(false);
  expect(fds.length).toBe(count);
  for (const received of fds) {
    expect(fstatSync(received).ino).toBe(fstatSync(fd).ino);
    closeSync(received);
  }
});

test("what was read through one descriptor is read for the other: they are one open file", () => {
  const [here, there] = packets();
  const fd = file();
  sendFds(here, Buffer.from("x"), [fd]);
  const [received] = receiveFds(there, 1).fds;
  readSync(fd, Buffer.alloc(3));
  const rest = Buffer.alloc(10);
  expect(rest.toString("latin1", 0, readSync(received as number, rest))).toBe("tent");
  closeSync(received as number);
});

test("refuses one descriptor more than the kernel takes, and an empty message", () => {
  const [here] = packets();
  const fd = file();
  const many = Array.from({ length: MAX_MESSAGE_FDS + 1 }, () => fd);
  expect(() => sendFds(here, Buffer.from("x"), many)).toThrow(expect.objectContaining({ code: "EINVAL" }));
  expect(() => sendFds(here, Buffer.alloc(0), [fd])).toThrow(TypeError);
  expect(() => sendFds(here, Buffer.from("x"), [])).toThrow(TypeError);
  expect(() => sendFds(here, Buffer.from("x"), [999_999])).toThrow(expect.objectContaining({ code: "EBADF" }));
});

test("never waits: EAGAIN from an empty socket and for a full one", () => {
  const [here, there] = packets();
  const fd = file();
  expect(() => receiveFds(there, 1)).toThrow(expect.objectContaining({ code: "EAGAIN" }));
  const fill = () => {
    for (;;) sendFds(here, Buffer.from("x"), [fd]);
  };
  expect(fill).toThrow(expect.objectContaining({ code: "EAGAIN" }));
});

test("a message cut for want of room is reported and leaves nothing open", () => {
  const [here, there] = packets();
  const fd = file();
  sendFds(here, Buffer.from("longer than what is asked for"), [fd, fd]);
  const before = openDescriptors();
  expect(receiveFds(there, 4)).toMatchObject({ truncated: true, fds: [] });
  expect(openDescriptors()).toBe(before);
});

test("a peer that is gone: EPIPE for the sender, an empty message for the reader", () => {
  const [here, there] = socketPair("packets");
  closeSync(there);
  const fd = file();
  expect(() => sendFds(here, Buffer.from("x"), [fd])).toThrow(expect.objectContaining({ code: "EPIPE" }));
  expect(receiveFds(here, 1)).toMatchObject({ truncated: false, fds: [] });
  closeSync(here);
});
