import { Writable } from "node:stream";
import { expect, test } from "vitest";
import { Output, StdoutClosed } from "../src/io.ts";
import { failingStream, fakeTerminal, Sink } from "./fake-io.ts";

test("what is written comes out in order", async () => {
  const stdout = new Sink();
  const output = new Output(stdout);
  await output.write("a");
  await output.write(Buffer.of(0xff));
  await output.write("");
  await output.writeJson({ b: 1 });
  await output.flush();
  expect(Buffer.concat(stdout.chunks)).toEqual(
    Buffer.concat([Buffer.from("a"), Buffer.of(0xff), Buffer.from('{\n  "b": 1\n}\n')]),
  );
});

test("a slow reader is waited for", async () => {
  const waiting: (() => void)[] = [];
  const slow = new Writable({ highWaterMark: 1, write: (_chunk, _encoding, done) => void waiting.push(done) });
  const output = new Output(slow);
  let written = false;
  const writing = output.write("abc").then(() => {
    written = true;
  });
  await new Promise(setImmediate);
  expect(written).toBe(false);
  waiting.shift()?.();
  await writing;
  expect(written).toBe(true);
});

test.each(["EPIPE", "ERR_STREAM_DESTROYED"])("%s: the reader is gone", async (code) => {
  const output = new Output(failingStream(code));
  await output.write("a").catch(() => undefined);
  await expect(output.flush()).rejects.toBeInstanceOf(StdoutClosed);
  await expect(output.write("b")).rejects.toBeInstanceOf(StdoutClosed);
});

test("any other failed write is an error", async () => {
  const output = new Output(failingStream("ENOSPC"));
  await output.write("a").catch(() => undefined);
  await expect(output.flush()).rejects.toMatchObject({ code: "ENOSPC" });
});

test("a stream that is closed while a write waits", async () => {
  const stuck = new Writable({ highWaterMark: 1, write: () => undefined });
  const output = new Output(stuck);
  const writing = output.write("abc");
  stuck.destroy();
  await expect(writing).rejects.toBeInstanceOf(StdoutClosed);
  await expect(output.flush()).rejects.toBeInstanceOf(StdoutClosed);
});

test("terminals are known", () => {
  expect(new Output(fakeTerminal()).isTerminal).toBe(true);
  expect(new Output(new Sink()).isTerminal).toBe(false);
});
