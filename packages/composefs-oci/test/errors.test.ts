import { expect, test } from "vitest";
import { OciError } from "../src/errors.ts";

test("an error as plain data", () => {
  const cause = new Error("below");
  const error = new OciError("TRANSPORT", "what", { details: { a: 1 }, hint: "do", cause });
  expect(error.cause).toBe(cause);
  expect(JSON.parse(JSON.stringify(error))).toEqual({
    name: "OciError",
    code: "TRANSPORT",
    message: "what",
    details: { a: 1 },
    hint: "do",
  });
});

test("without details, hint and cause", () => {
  const error = new OciError("TRANSPORT", "what");
  expect(error).toMatchObject({ details: {}, hint: undefined });
  expect("cause" in error).toBe(false);
});
