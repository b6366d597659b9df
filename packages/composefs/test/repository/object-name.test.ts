import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { expect, test } from "vitest";
import { codeOf, newRepository } from "../support.ts";

const REST = "0".repeat(54);
const ONE = `abcdef0123${REST}`;
const TWO = `abcdef0145${REST}`;

test("whole ids, whether they are there or not, and unique prefixes", async () => {
  const repository = await newRepository();
  expect(await codeOf(() => repository.resolveObject(ONE.slice(0, 10)))).toBe("OBJECT_NOT_FOUND");
  for (const name of [ONE, TWO]) {
    const path = join(repository.path, "objects", name.slice(0, 2), name.slice(2));
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, "");
  }
  writeFileSync(join(repository.path, "objects/ab/cdef0123"), "no object");
  const absent = "f".repeat(64);
  expect(repository.resolveObject(absent)).toBe(absent);
  for (const name of [ONE, `sha256:${ONE}`, ONE.slice(0, 10), `sha256:${ONE.slice(0, 20)}`]) {
    expect(repository.resolveObject(name)).toBe(ONE);
  }
  expect(await codeOf(() => repository.resolveObject("abcdef01"))).toBe("REF_AMBIGUOUS");
  expect(await codeOf(() => repository.resolveObject("abcdef0199"))).toBe("OBJECT_NOT_FOUND");
});

test.each(["", "abcdef0", ONE.toUpperCase(), `${ONE}0`.slice(0, 7), `sha512:${ONE}`, "../../meta.json", "sha256:"])(
  "no id: %j",
  async (name) => {
    const repository = await newRepository();
    expect(await codeOf(() => repository.resolveObject(name))).toBe("DIGEST_INVALID");
  },
);
