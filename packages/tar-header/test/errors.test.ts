import { expect, test } from "vitest";
import { TarHeaderError } from "../src/errors.ts";

test("an error is an Error with code, details, hint and cause", () => {
  const cause = new Error("below");
  const error = new TarHeaderError("TAR_LIMIT", "too much", { details: { limit: 1 }, hint: "less", cause });
  expect(error).toBeInstanceOf(Error);
  expect(error).toMatchObject({ name: "TarHeaderError", code: "TAR_LIMIT", hint: "less", cause });
  expect(JSON.parse(JSON.stringify(error))).toEqual({
    name: "TarHeaderError",
    code: "TAR_LIMIT",
    message: "too much",
    details: { limit: 1 },
    hint: "less",
  });
});

test("what is not given is not there", () => {
  const error = new TarHeaderError("TAR_MALFORMED", "bad");
  expect("hint" in error).toBe(false);
  expect("cause" in error).toBe(false);
  expect(error.details).toEqual({});
});
