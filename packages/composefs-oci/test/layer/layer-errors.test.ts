import { TarHeaderError } from "@composefs/tar-header";
import { expect, test } from "vitest";
import type { OciDigest } from "../../src/digest.ts";
import { fileOfLayer, inLayer, storing } from "../../src/layer/layer-errors.ts";

const LAYER = `sha256:${"1".repeat(64)}` as OciDigest;

test("a file is named with its layer, and cut when very long", () => {
  expect(fileOfLayer("L", Buffer.from("usr/grün"))).toBe('layer L: file "usr/grün"');
  expect(fileOfLayer("L", Buffer.from([0xff]))).toBe('layer L: file "\ufffd"');
  expect(fileOfLayer("L", Buffer.alloc(2 ** 20, "a")).length).toBeLessThan(300);
});

test("an error of the parser gets the layer", () => {
  const error = inLayer(new TarHeaderError("TAR_LIMIT", "much", { details: { offset: 512 } }), LAYER);
  expect(error).toMatchObject({ name: "OciError", code: "TAR_LIMIT", details: { offset: 512, layer: LAYER } });
  expect((error as { hint?: string }).hint).toBeTypeOf("string");
});

test("an error of the kernel gets the file", () => {
  const kernel = Object.assign(new Error("ENOSPC"), {
    name: "KernelError",
    errno: -28,
    code: "ENOSPC",
    syscall: "write",
  });
  expect(storing("the file", kernel)).toMatchObject({
    name: "KernelError",
    code: "ENOSPC",
    errno: -28,
    syscall: "write",
    path: "the file",
  });
});

test("other errors stay what they are", () => {
  const error = new Error("other");
  expect(inLayer(error, LAYER)).toBe(error);
  expect(storing("x", error)).toBe(error);
  expect(storing("x", "text")).toBe("text");
});
