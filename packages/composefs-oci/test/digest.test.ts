import { expect, test } from "vitest";
import { digestOf, isDigest, type OciDigest, parseDigest } from "../src/digest.ts";
import { codeOf } from "./code-of.ts";

test.each(["sha256", "sha384", "sha512"])("%s is taken", (algorithm) => {
  const text = `${algorithm}:${"0a".repeat({ sha256: 32, sha384: 48, sha512: 64 }[algorithm] as number)}`;
  expect(parseDigest(text)).toBe(text);
  expect(isDigest(text)).toBe(true);
});

test.each([
  ["", "empty"],
  ["sha256", "no colon"],
  ["sha256:", "no hex"],
  [`sha256:${"a".repeat(63)}`, "too short"],
  [`sha256:${"a".repeat(65)}`, "too long"],
  [`sha256:${"A".repeat(64)}`, "capitals"],
  [`sha256:${"g".repeat(64)}`, "no hex digits"],
  [`sha256:${"a".repeat(64)}\n`, "line feed at the end"],
  [` sha256:${"a".repeat(64)}`, "space in front"],
  [`sha256:${"a".repeat(64)}/..`, "path at the end"],
  [`sha512:${"a".repeat(64)}`, "length of another algorithm"],
  [`md5:${"a".repeat(32)}`, "unknown algorithm"],
  ["constructor:0", "a name every object has"],
  [`SHA256:${"a".repeat(64)}`, "capitals in the algorithm"],
])("'%s' is refused: %s", (text) => {
  expect(codeOf(() => parseDigest(text))).toBe("DIGEST_INVALID");
  expect(isDigest(text)).toBe(false);
});

test("an error repeats only the start of a huge digest, and says where it stands", () => {
  try {
    parseDigest(`sha256:${"a".repeat(10_000_000)}`, "config.rootfs.diff_ids[7]");
    expect.unreachable();
  } catch (error) {
    expect((error as Error).message.length).toBeLessThan(400);
    expect(error).toMatchObject({ details: { place: "config.rootfs.diff_ids[7]" } });
  }
});

// FIPS 180-2, "abc".
test.each([
  [undefined, "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"],
  [
    "sha384:",
    "sha384:cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed8086072ba1e7cc2358baeca134c825a7",
  ],
])("digest of bytes like %s", (like, expected) => {
  expect(digestOf(Buffer.from("abc"), like as OciDigest | undefined)).toBe(expected);
});
