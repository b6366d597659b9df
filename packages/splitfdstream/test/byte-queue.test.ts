import { expect, test } from "vitest";
import { ByteQueue } from "../src/byte-queue.ts";

const bytes = (...values: number[]): Uint8Array => Uint8Array.from(values);

test("bytes of one piece are views of it", () => {
  const queue = new ByteQueue();
  const piece = bytes(1, 2, 3, 4);
  queue.push(piece);
  const taken = [queue.take(1), queue.take(0), queue.take(3)];
  expect(taken).toEqual([bytes(1), bytes(), bytes(2, 3, 4)]);
  expect(taken.every((view) => view?.buffer === piece.buffer)).toBe(true);
  expect(queue.length).toBe(0);
});

test("bytes of several pieces are joined, and pieces are free once a take failed", () => {
  const queue = new ByteQueue();
  for (const [value, want] of [
    [1, null],
    [2, null],
    [3, bytes(1, 2, 3)],
  ] as const) {
    const piece = bytes(value);
    queue.push(piece);
    expect(queue.take(3)).toEqual(want);
    piece[0] = 0xee;
  }
  queue.push(bytes(4, 5));
  queue.push(bytes(6));
  expect(queue.length).toBe(3);
  expect(queue.take(3)).toEqual(bytes(4, 5, 6));
});

test("the buffer grows with what came, not with what is wanted", () => {
  const queue = new ByteQueue();
  const wanted = 2 ** 40;
  for (let i = 0; i < 100; i++) {
    queue.push(new Uint8Array(10_000));
    expect(queue.take(wanted)).toBeNull();
  }
  expect(queue.length).toBe(1_000_000);
});
