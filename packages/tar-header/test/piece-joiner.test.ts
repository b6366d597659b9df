import { expect, test } from "vitest";
import { PieceJoiner } from "../src/piece-joiner.ts";

test("a whole stretch is not copied", () => {
  const piece = Uint8Array.of(1, 2);
  expect(new PieceJoiner().add(piece, 2)).toBe(piece);
});

test("pieces are joined, one stretch after the other", () => {
  const joiner = new PieceJoiner();
  for (const first of [1, 4]) {
    const piece = Uint8Array.of(first);
    expect(joiner.add(piece, 3)).toBeNull();
    piece[0] = 0xee;
    expect(joiner.add(Uint8Array.of(first + 1, first + 2), 3)).toEqual(Uint8Array.of(first, first + 1, first + 2));
  }
});
