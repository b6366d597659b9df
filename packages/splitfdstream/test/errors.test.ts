import { expect, test } from "vitest";
import { SplitfdstreamError } from "../src/errors.ts";

test("an error is an Error with code, details, hint and cause", () => {
  const cause = new Error("below");
  const error = new SplitfdstreamError("INDEX_TOO_LARGE", "too much", { details: { limit: 1 }, hint: "less", cause });
  expect(error).toBeInstanceOf(Error);
  expect(error).toMatchObject({ name: "SplitfdstreamError", code: "INDEX_TOO_LARGE", hint: "less", cause });
  expect(JSON.parse(JSON.stringify(error))).toEqual({
    name: "SplitfdstreamError",
    code: "INDEX_TOO_LARGE",
    message: "too much",
    details: { limit: 1 },
    hint: "less",
  });
});

test("what is not given is not there", () => {
  const error = new SplitfdstreamError("TRUNCATED", "bad");
  expect("hint" in error).toBe(false);
  expect("cause" in error).toBe(false);
  expect(error.details).toEqual({});
});
