import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ComposefsError, type ErofsVersion, type HashName, initRepository, Repository } from "@composefs/core";
import { afterEach, beforeEach, expect, test } from "vitest";

/** Recorded with the reference's cfsctl; see testdata/repository/README.md. */
interface Recorded {
  readonly new: readonly { readonly hash: HashName; readonly erofs: ErofsVersion; readonly text: string }[];
  readonly upgraded: readonly { readonly hash: HashName; readonly text: string }[];
  readonly read: readonly {
    readonly text: string;
    readonly error: string | null;
    /** Formats of the images it then writes, ascending. */
    readonly composefsVersions: readonly number[] | null;
  }[];
}

const recorded = JSON.parse(
  readFileSync(new URL("../../testdata/repository/metadata.json", import.meta.url), "utf8"),
) as Recorded;

let path: string;
beforeEach(() => {
  path = mkdtempSync(join(tmpdir(), "core-metadata-"));
});
afterEach(() => rmSync(path, { recursive: true }));

async function open(): Promise<Repository> {
  const repository = await Repository.open(path);
  await repository.close();
  return repository;
}

test.each(recorded.new)("a new repository: $hash, EROFS V$erofs", async ({ hash, erofs, text }) => {
  initRepository(path, { hash, insecure: true, erofs: { default: erofs, extra: [] } });
  expect(readFileSync(join(path, "meta.json"), "utf8")).toBe(text);
  expect(await open()).toMatchObject({ hash, erofs: { default: erofs, extra: [] }, verity: false });
});

test.each(recorded.upgraded)("an upgraded repository: $hash", async ({ hash, text }) => {
  mkdirSync(join(path, "objects/5a"), { recursive: true });
  writeFileSync(join(path, "objects/5a", "5".repeat(hash === "sha256" ? 62 : 126)), "");
  expect((await open()).hash).toBe(hash);
  expect(readFileSync(join(path, "meta.json"), "utf8")).toBe(text);
});

/** Where we refuse what the reference takes: its parser lets a list stand for an object. */
const STRICTER = '"features":[]';

test.each(recorded.read)("$text", async ({ text, error, composefsVersions }) => {
  writeFileSync(join(path, "meta.json"), text);
  let repository: Repository | null = null;
  let code: string | null = null;
  try {
    repository = await open();
  } catch (thrown) {
    if (!(thrown instanceof ComposefsError)) throw thrown;
    code = thrown.code;
  }
  if (text.includes(STRICTER)) {
    expect(code).toBe("REPO_METADATA_INVALID");
  } else if (error === null) {
    expect(code).toBeNull();
    const { default: first, extra } = repository?.erofs ?? { default: -1, extra: [] };
    expect([first, ...extra].sort()).toEqual(composefsVersions);
  } else {
    const unsupported = /unsupported|unknown incompatible|algorithm must|invalid lg_blocksize/.test(error);
    expect(code).toBe(unsupported ? "REPO_UNSUPPORTED" : "REPO_METADATA_INVALID");
  }
});
