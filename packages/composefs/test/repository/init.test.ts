import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { binding } from "../../../../native/reflink/src/binding.ts";
import { ComposefsError, initRepository } from "../../src/index.ts";
import { atEnd, codeOf, openDescriptors, temporaryDirectory } from "../support.ts";

let path: string;

beforeEach(() => {
  path = join(temporaryDirectory(), "parent/repo");
});
afterEach(() => binding.setTmpfileAvailable(true));

const insecure = { insecure: true } as const;

/** Files without meta.json, as a repository of before 0.5 has them. */
function oldRepository(hash: "sha256" | "sha512"): void {
  initRepository(path, { ...insecure, hash });
  rmSync(join(path, "meta.json"));
  mkdirSync(join(path, "objects/ab"), { recursive: true });
  mkdirSync(join(path, "streams"));
  writeFileSync(join(path, "objects/ab", "0".repeat(hash === "sha256" ? 62 : 126)), "");
}

test.each([
  ["with O_TMPFILE", true],
  ["without O_TMPFILE", false],
])("makes parents and meta.json alone, %s", (_, tmpfile) => {
  binding.setTmpfileAvailable(tmpfile);
  const before = openDescriptors();
  const umask = process.umask(0);
  try {
    expect(initRepository(path, insecure)).toBe("created");
  } finally {
    process.umask(umask);
  }
  expect(openDescriptors()).toBe(before);
  expect(readdirSync(path)).toEqual(["meta.json"]);
  expect(statSync(path).mode & 0o777).toBe(0o700);
  expect(statSync(join(path, "meta.json")).mode & 0o777).toBe(0o644);
  expect(statSync(join(path, "meta.json")).nlink).toBe(1);
  expect(JSON.parse(readFileSync(join(path, "meta.json"), "utf8"))).toMatchObject({ algorithm: "fsverity-sha512-12" });
});

describe("again", () => {
  test.each([
    [{}, "already-initialized"],
    [{ hash: "sha256" }, "REPO_CONFIG_MISMATCH"],
    [{ erofs: { default: 2, extra: [] } }, "REPO_CONFIG_MISMATCH"],
    [{ erofs: { default: 1, extra: [2] } }, "REPO_CONFIG_MISMATCH"],
    [{ ensure: true }, "preserved"],
    [{ ensure: true, erofs: { default: 2, extra: [] } }, "preserved"],
    [{ ensure: true, hash: "sha256" }, "REPO_CONFIG_MISMATCH"],
    [{ reset: true }, "created"],
    [{ reset: true, hash: "sha256" }, "REPO_CONFIG_MISMATCH"],
  ] as const)("%j: %s", (change, expected) => {
    initRepository(path, insecure);
    let outcome: string;
    try {
      outcome = initRepository(path, { ...insecure, ...change });
    } catch (error) {
      outcome = (error as ComposefsError).code;
    }
    expect(outcome).toBe(expected);
  });
});

describe("an old repository", () => {
  test("is not initialized over", async () => {
    oldRepository("sha256");
    expect(await codeOf(() => initRepository(path, { ...insecure, hash: "sha512" }))).toBe("REPO_CONFIG_MISMATCH");
    expect(await codeOf(() => initRepository(path, { ...insecure, hash: "sha256" }))).toBe("REPO_OLD_FORMAT");
    expect(existsSync(join(path, "meta.json"))).toBe(false);
  });

  test("is upgraded by ensure, and requires fs-verity only if its objects have it", () => {
    oldRepository("sha256");
    expect(initRepository(path, { hash: "sha256", ensure: true })).toBe("upgraded");
    expect(initRepository(path, { hash: "sha256", ensure: true })).toBe("preserved");
    expect(existsSync(join(path, "streams"))).toBe(true);
  });

  test("can be reset", () => {
    oldRepository("sha256");
    expect(initRepository(path, { ...insecure, hash: "sha256", reset: true })).toBe("created");
    expect(readdirSync(path).sort()).toEqual(["meta.json", "objects"]);
  });
});

describe("reset", () => {
  beforeEach(() => {
    initRepository(path, insecure);
    for (const name of ["streams/refs", "images/refs", "objects/ab"]) mkdirSync(join(path, name), { recursive: true });
    symlinkSync("nowhere", join(path, "streams/refs/x"));
  });

  test("removes the names and keeps the objects", () => {
    expect(initRepository(path, { ...insecure, reset: true, erofs: { default: 2, extra: [] } })).toBe("created");
    expect(readdirSync(path).sort()).toEqual(["meta.json", "objects"]);
    expect(readFileSync(join(path, "meta.json"), "utf8")).toContain('"default": 2');
  });

  test("D21: to another hash only when the objects go, too", async () => {
    mkdirSync(join(path, "objects", "ab"), { recursive: true });
    writeFileSync(join(path, "objects", "ab", "0".repeat(126)), "");
    const other = { ...insecure, hash: "sha256", reset: true } as const;
    expect(await codeOf(() => initRepository(path, other))).toBe("REPO_CONFIG_MISMATCH");
    expect(existsSync(join(path, "streams/refs"))).toBe(true);
    expect(initRepository(path, { ...other, discardObjects: true })).toBe("created");
    expect(readdirSync(path)).toEqual(["meta.json"]);
    expect(readFileSync(join(path, "meta.json"), "utf8")).toContain("fsverity-sha256-12");
  });

  test.each(["", "not JSON", "[]"])("works on a meta.json that is %j, as its error's hint says", async (text) => {
    writeFileSync(join(path, "meta.json"), text);
    expect(await codeOf(() => initRepository(path, insecure))).toBe("REPO_METADATA_INVALID");
    expect(initRepository(path, { ...insecure, reset: true })).toBe("created");
    expect(initRepository(path, insecure)).toBe("already-initialized");
  });

  test("is refused for a newer repository", async () => {
    writeFileSync(join(path, "meta.json"), '{"version":2,"algorithm":"fsverity-sha512-12"}');
    expect(await codeOf(() => initRepository(path, { ...insecure, reset: true }))).toBe("REPO_UNSUPPORTED");
    expect(existsSync(join(path, "streams/refs"))).toBe(true);
  });

  test("loses nothing when fs-verity is missing", async () => {
    const shm = `/dev/shm/composefs-${process.pid}`;
    atEnd(() => rmSync(shm, { recursive: true, force: true }));
    initRepository(shm, insecure);
    mkdirSync(join(shm, "streams"));
    expect(await codeOf(() => initRepository(shm, { reset: true }))).toBe("VERITY_UNSUPPORTED");
    expect(readdirSync(shm).sort()).toEqual(["meta.json", "streams"]);
  });
});

test("without fs-verity a secure init fails and leaves no directory", async () => {
  const shm = `/dev/shm/composefs-secure-${process.pid}`;
  expect(await codeOf(() => initRepository(shm))).toBe("VERITY_UNSUPPORTED");
  expect(existsSync(shm)).toBe(false);
});

test("a directory that was there stays after a failure", async () => {
  const shm = `/dev/shm/composefs-there-${process.pid}`;
  mkdirSync(shm);
  atEnd(() => rmSync(shm, { recursive: true }));
  expect(await codeOf(() => initRepository(shm))).toBe("VERITY_UNSUPPORTED");
  expect(readdirSync(shm)).toEqual([]);
  chmodSync(shm, 0o755);
  expect(initRepository(shm, insecure)).toBe("created");
  expect(statSync(shm).mode & 0o777).toBe(0o755);
});

test.each([
  ["a file", (where: string) => writeFileSync(where, ""), "ENOTDIR"],
  ["a dangling link", (where: string) => symlinkSync("nowhere", where), "ENOENT"],
])("%s in the place of the repository", async (_, make, code) => {
  const where = join(temporaryDirectory(), "x");
  make(where);
  expect(await codeOf(() => initRepository(where, insecure))).toBe(code);
});

test("errors serialize", () => {
  const error = new ComposefsError("REF_INVALID", "text", { details: { name: "x" } });
  expect(JSON.parse(JSON.stringify(error))).toEqual({
    name: "ComposefsError",
    code: "REF_INVALID",
    message: "text",
    details: { name: "x" },
    hint: null,
  });
});
