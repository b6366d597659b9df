import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { runCli } from "../../packages/cfsctl/src/main.ts";
import { fakeIo } from "../../packages/cfsctl/test/fake-io.ts";

/** What composefs-rs 0.9.4 says of an image in a repository that has nothing else. */
interface Recorded {
  readonly images_json: object;
  readonly inspect_json: object;
  readonly fsck_stdout: string;
  readonly objects_after_gc: number;
}

const TESTDATA = new URL("../../testdata/oci/", import.meta.url);
const { images } = JSON.parse(readFileSync(new URL("vectors.json", TESTDATA), "utf8")) as {
  images: readonly {
    readonly name: string;
    readonly pull_ref: string;
    readonly tag: string;
    readonly hash: { readonly sha256: Readonly<Record<string, Recorded | undefined>> };
  }[];
};

let directory: string;
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), "oci-recorded-"));
});
afterAll(() => rmSync(directory, { recursive: true }));

async function cfsctl(...argv: string[]): Promise<string> {
  const io = fakeIo();
  expect(await runCli(argv, io), io.stderr.text).toBe(0);
  return io.stdout.text;
}

const cases = images.flatMap(({ hash, ...image }) =>
  Object.entries(hash.sha256).flatMap(([format, recorded]) =>
    recorded?.images_json === undefined ? [] : [{ ...image, format, recorded }],
  ),
);

describe("what the command says of a pulled image is what the reference says", () => {
  test.each(cases)("$name, $format", async ({ name, pull_ref, tag, format, recorded }) => {
    const repo = join(directory, `${name}-${format}`);
    execFileSync("tar", ["-xf", new URL(`layouts/${name}.tar`, TESTDATA).pathname, "-C", directory]);
    const global = ["--repo", repo, "--hash", "sha256"];
    await cfsctl(...global, "init", "--insecure", "--erofs-version", format.slice(1));
    const reference = pull_ref.replace("oci:", `oci:${directory}/`);
    await cfsctl(...global, "oci", "pull", "--quiet", "--compat-whiteouts", reference, tag);
    expect(JSON.parse(await cfsctl(...global, "oci", "images", "--json"))).toEqual(recorded.images_json);
    expect(JSON.parse(await cfsctl(...global, "oci", "inspect", tag))).toEqual(recorded.inspect_json);
    expect(await cfsctl(...global, "oci", "fsck")).toBe(recorded.fsck_stdout);
    await cfsctl(...global, "gc");
    const objects = execFileSync("find", [join(repo, "objects"), "-type", "f"], { encoding: "utf8" });
    expect(objects.trim().split("\n")).toHaveLength(recorded.objects_after_gc);
  });
});
