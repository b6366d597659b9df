import { expect, test } from "vitest";
import { KernelError } from "../src/index.ts";

test.each([
  [2, "ENOENT"],
  [95, "ENOTSUP"],
  [61, "ENODATA"],
  [37, "ENOLCK"],
  [129, "EKEYREJECTED"],
  [116, "ESTALE"],
  [4000, "E4000"],
])("errno %d is %s", (errno, code) => {
  const error = new KernelError(errno, "open", Buffer.from("a/ü"));
  expect(error).toMatchObject({ name: "KernelError", code, errno: -errno, syscall: "open", path: "a/ü" });
});
