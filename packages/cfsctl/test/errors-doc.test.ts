import { readFileSync } from "node:fs";
import { expect, test } from "vitest";

/** Name in the table, and where the union of its codes stands. */
const PACKAGES: readonly (readonly [name: string, directory: string])[] = [
  ["tar-header", "tar-header"],
  ["splitfdstream", "splitfdstream"],
  ["cstorage", "cstorage"],
  ["core", "composefs"],
  ["oci", "composefs-oci"],
  ["cfsctl", "cfsctl"],
];
const ROOT = new URL("../../../", import.meta.url);
const DOCUMENT = readFileSync(new URL("docs/errors.md", ROOT), "utf8");

/** Literal codes of the union `…ErrorCode` in a package's errors.ts. */
function codesOf(directory: string): string[] {
  const source = readFileSync(new URL(`packages/${directory}/src/errors.ts`, ROOT), "utf8");
  const union = /export type \w*ErrorCode =([^;]*);/.exec(source)?.[1] ?? "";
  return [...union.matchAll(/"([A-Z0-9_]+)"/g)].map(([, code]) => code as string);
}

/** Rows of the table of codes: code and package. */
function documented(): string[] {
  return [...DOCUMENT.matchAll(/^\| `([A-Z0-9_]+)` *\| ([a-z-]+) *\| [^|]+ \| [^|]+ \|$/gm)].map(
    ([, code, name]) => `${code} ${name}`,
  );
}

test.each(PACKAGES)("%s has codes", (_, directory) => expect(codesOf(directory).length).toBeGreaterThan(1));

test("docs/errors.md lists every code of every package, and no other", () => {
  const expected = PACKAGES.flatMap(([name, directory]) => codesOf(directory).map((code) => `${code} ${name}`));
  expect(documented()).toEqual(expected.sort());
});
