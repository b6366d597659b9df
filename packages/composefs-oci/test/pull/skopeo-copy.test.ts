import { chmodSync, existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { openThroughSkopeo } from "../../src/pull/skopeo-copy.ts";
import { ociError } from "../code-of.ts";
import { removeDirectories, tempDirectory } from "../temp-directory.ts";

let temporary: string;
let bin: string;
beforeEach(() => {
  temporary = tempDirectory();
  bin = tempDirectory();
  vi.stubEnv("TMPDIR", temporary);
  vi.stubEnv("PATH", `${bin}:/usr/bin:/bin`);
});
afterEach(() => {
  vi.unstubAllEnvs();
  removeDirectories();
});

/** A program in skopeo's place that notes its arguments; `to` is the path of the last one. */
function skopeo(script: string): string {
  const notes = join(bin, "notes");
  writeFileSync(
    join(bin, "skopeo"),
    `#!/bin/sh\necho "$@" >> ${notes}\nfor last; do :; done\nto=\${last#*:}\n${script}\n`,
  );
  chmodSync(join(bin, "skopeo"), 0o755);
  return notes;
}

test("an image is copied as dir:, and the copy goes with the source", async () => {
  const notes = skopeo(`mkdir "$to" && echo '{"schemaVersion":2}' > "$to/manifest.json"`);
  const platform = { os: "linux", architecture: "arm", variant: "v7" };
  const source = await openThroughSkopeo("sif:/x y", { platform });
  expect(await source.candidates()).toHaveLength(1);
  expect(readFileSync(notes, "utf8")).toMatch(
    /^--override-variant v7 --override-os linux --override-arch arm copy --quiet sif:\/x y dir:\S+\/image\n$/,
  );
  await source.close();
  expect(readdirSync(temporary)).toEqual([]);
});

test("layers of podman's storage are compressed, as their media types have it", async () => {
  const notes = skopeo(`mkdir "$to"`);
  await (await openThroughSkopeo("containers-storage:app")).close();
  expect(readFileSync(notes, "utf8")).toMatch(/^copy --quiet --dest-compress containers-storage:app dir:/);
});

test("docker's daemon has no manifests: docker-archive:", async () => {
  const notes = skopeo(`head -c 1024 /dev/zero > "$to"`);
  const source = await openThroughSkopeo("docker-daemon:app:1");
  await expect(source.candidates()).rejects.toMatchObject({ code: "SOURCE_INVALID" });
  expect(readFileSync(notes, "utf8")).toMatch(/^copy --quiet docker-daemon:app:1 docker-archive:\S+\/image\n$/);
  await source.close();
  expect(readdirSync(temporary)).toEqual([]);
});

test("TRANSPORT with what skopeo said", async () => {
  skopeo(`mkdir "$to"; echo first >&2; echo 'no such thing' >&2; exit 3`);
  await expect(openThroughSkopeo("sif:x")).rejects.toMatchObject(
    ociError("TRANSPORT", { source: "sif:x", stderr: "first\nno such thing" }),
  );
  await expect(openThroughSkopeo("sif:x")).rejects.toThrow(/status 3: no such thing$/);
  expect(readdirSync(temporary)).toEqual([]);
});

test("TRANSPORT without skopeo", async () => {
  vi.stubEnv("PATH", bin);
  await expect(openThroughSkopeo("sif:x")).rejects.toMatchObject(ociError("TRANSPORT"));
  expect(readdirSync(temporary)).toEqual([]);
});

test("aborted: skopeo is ended, and nothing stays", async () => {
  skopeo(`mkdir "$to"; echo > ${bin}/begun; exec sleep 60`);
  const controller = new AbortController();
  const opened = openThroughSkopeo("sif:x", { signal: controller.signal });
  const watch = setInterval(() => {
    if (existsSync(join(bin, "begun"))) controller.abort(new Error("enough"));
  }, 5);
  await expect(opened).rejects.toThrow("enough");
  clearInterval(watch);
  expect(readdirSync(temporary)).toEqual([]);
  await expect(openThroughSkopeo("sif:x", { signal: controller.signal })).rejects.toThrow("enough");
});

test("aborted while a program that it left behind keeps its output open", async () => {
  skopeo(`mkdir "$to"; sleep 20 & echo $! > ${bin}/left; wait`);
  const controller = new AbortController();
  const opened = openThroughSkopeo("sif:x", { signal: controller.signal });
  const watch = setInterval(() => {
    if (existsSync(join(bin, "left"))) controller.abort(new Error("enough"));
  }, 5);
  await expect(opened).rejects.toThrow("enough");
  clearInterval(watch);
  expect(readdirSync(temporary)).toEqual([]);
  process.kill(Number(readFileSync(join(bin, "left"), "utf8")));
});
