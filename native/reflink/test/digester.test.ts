import { createHash } from "node:crypto";
import { expect, test } from "vitest";
import { binding } from "../src/binding.ts";
import { Digester } from "../src/index.ts";
import { pattern } from "./support.ts";

test.each(["sha256", "sha384", "sha512"] as const)("%s as OpenSSL has it, however the data is cut", async (name) => {
  for (const pieces of [[], [0], [1, 0, 63, 64, 65], [100_000, 3, 1_048_577]]) {
    const digester = new Digester(name);
    const hash = createHash(name);
    for (const size of pieces) {
      // Not awaited: calls keep their order.
      void digester.update(pattern(size));
      hash.update(pattern(size));
    }
    expect(await digester.digest()).toBe(hash.digest("hex"));
  }
});

test("several at once do not mix", async () => {
  const digesters = Array.from({ length: 20 }, () => new Digester("sha256"));
  await Promise.all(digesters.map((digester, i) => digester.update(pattern(50_000 + i))));
  for (const [i, digester] of digesters.entries()) {
    const expected = createHash("sha256")
      .update(pattern(50_000 + i))
      .digest("hex");
    expect(await digester.digest()).toBe(expected);
  }
});

test("a digest is taken once", async () => {
  const digester = new Digester("sha512");
  await digester.digest();
  await expect(digester.digest()).rejects.toThrow();
});

test("an unknown algorithm is refused", () => {
  expect(() => new Digester("md5" as "sha256")).toThrow(TypeError);
});

test("a piece that is not hashed yet is waited for, or refused", async () => {
  for (const name of ["sha256", "sha512"] as const) {
    const handle = binding.createDigester(name);
    if (handle === null) throw new Error("no libcrypto");
    const first = binding.updateDigester(handle, pattern(3_000_000));
    expect(() => binding.updateDigester(handle, pattern(1))).toThrow("not hashed yet");
    expect(() => binding.finishDigester(handle)).toThrow("not hashed yet");
    await first;
    const expected = createHash(name).update(pattern(3_000_000)).digest("hex");
    expect(Buffer.from(binding.finishDigester(handle)).toString("hex")).toBe(expected);
    expect(() => binding.updateDigester(handle, pattern(1))).toThrow("taken before");
  }
});
