import { expect, test } from "vitest";
import { ahead } from "../../src/compression/ahead.ts";

test("the next value is asked for while one is in use", async () => {
  const asked: number[] = [];
  async function* numbers(): AsyncGenerator<number> {
    for (let n = 0; n < 4; n++) {
      asked.push(n);
      yield n;
    }
  }
  const seen: number[][] = [];
  for await (const n of ahead(numbers())) seen.push([n, asked.length]);
  expect(seen).toEqual([
    [0, 2],
    [1, 3],
    [2, 4],
    [3, 4],
  ]);
});

test("an error comes after the values before it", async () => {
  const failure = new Error("no more");
  async function* failing(): AsyncGenerator<number> {
    yield 1;
    throw failure;
  }
  const seen: number[] = [];
  const reading = async (): Promise<void> => {
    for await (const n of ahead(failing())) {
      await new Promise((resolve) => setTimeout(resolve, 5)); // it has failed by now
      seen.push(n);
    }
  };
  await expect(reading()).rejects.toBe(failure);
  expect(seen).toEqual([1]);
});

test("who stops early ends what is behind it", async () => {
  let ended = false;
  async function* endless(): AsyncGenerator<number> {
    try {
      for (;;) yield 1;
    } finally {
      ended = true;
    }
  }
  for await (const _ of ahead(endless())) break;
  expect(ended).toBe(true);
});
