import { expect, test } from "vitest";
import { PIECE_BYTES, PiecePool } from "../../src/compression/piece-pool.ts";

test("a buffer comes again once it is given back, by any view of it", () => {
  const pool = new PiecePool();
  const [first, second] = [pool.take(), pool.take()];
  expect(first.buffer).not.toBe(second.buffer);
  expect(first.length).toBe(PIECE_BYTES);
  pool.give(first.subarray(10, 20));
  expect(pool.take()).toBe(first);
});

test("a buffer given back twice comes once", () => {
  const pool = new PiecePool();
  const piece = pool.take();
  pool.give(piece);
  pool.give(piece);
  expect(pool.take()).toBe(piece);
  expect(pool.take()).not.toBe(piece);
});

test("memory of others is not taken", () => {
  const pool = new PiecePool();
  const stranger = new Uint8Array(PIECE_BYTES);
  pool.give(stranger);
  pool.give(new PiecePool().take());
  expect(pool.take().buffer).not.toBe(stranger.buffer);
});
