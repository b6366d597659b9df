import { expect, test } from "vitest";
import { algorithmName, parseAlgorithmName } from "../../src/index.ts";
import { codeOf } from "../support.ts";

test.each(["sha256", "sha512"] as const)("%s", (hash) => {
  expect(parseAlgorithmName(algorithmName(hash))).toBe(hash);
});

test.each(["", "sha256", "fsverity-sha256", "fsverity-sha384-12", "fsverity-sha256-16", "fsverity-sha256-12-1"])(
  "'%s' is not supported",
  async (text) => {
    expect(await codeOf(() => parseAlgorithmName(text))).toBe("REPO_UNSUPPORTED");
  },
);
