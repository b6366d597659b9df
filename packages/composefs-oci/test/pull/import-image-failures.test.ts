import { unlinkSync } from "node:fs";
import { join } from "node:path";
import type { Repository } from "@composefs/core";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { OciError } from "../../src/errors.ts";
import type { ProgressEvent } from "../../src/progress.ts";
import { importImage, type PullResult } from "../../src/pull/import-image.ts";
import { ociError } from "../code-of.ts";
import { fakeImage, oneFile } from "../fake-image.ts";
import { sha256 } from "../tar-builder.ts";
import { names, objectFiles, readOnlyTwin, removeRepositories, state, tempRepository } from "../temp-repository.ts";

let repository: Repository;
beforeEach(async () => {
  repository = await tempRepository();
});
afterEach(removeRepositories);

describe("what is refused before anything is written", () => {
  const digest = sha256("x");
  test.each<[string, Parameters<typeof fakeImage>[1], string?]>([
    ["MANIFEST_INVALID", { manifest: { layers: 1 } }],
    ["MANIFEST_UNSUPPORTED", { manifest: { schemaVersion: 1 } }],
    ["MANIFEST_INVALID", { config: Buffer.from("{}") }],
    ["LAYER_COUNT_MISMATCH", { manifest: { layers: [] } }],
    ["LAYER_COUNT_MISMATCH", { manifest: { layers: Array(4).fill({ mediaType: "x", digest, size: 1 }) } }],
    ["LAYER_COUNT_MISMATCH", { configType: "application/vnd.oci.empty.v1+json", manifest: { layers: [] } }],
    ["REF_INVALID", {}, "@x"],
    ["REF_INVALID", {}, ""],
    ["REF_INVALID", {}, ".."],
    ["REF_INVALID", {}, "a".repeat(256)],
  ])("%s %j %s", async (code, options, tag) => {
    const image = fakeImage(repository, options);
    const before = state(repository);
    await expect(importImage(repository, image.source, { tag })).rejects.toMatchObject(ociError(code));
    expect(state(repository)).toEqual(before);
    expect(image.stored).toEqual([]);
  });

  test("BLOB_DIGEST_MISMATCH: a config that the manifest does not name", async () => {
    const { source, configDigest } = fakeImage(repository);
    const config = Buffer.concat([source.config, Buffer.from("\n")]);
    const before = state(repository);
    await expect(importImage(repository, { ...source, config })).rejects.toMatchObject(
      ociError("BLOB_DIGEST_MISMATCH", { expected: configDigest, actual: sha256(config) }),
    );
    expect(state(repository)).toEqual(before);
  });

  test.each<[string, (layers: readonly unknown[]) => unknown[]]>([
    ["fewer", (layers) => layers.slice(1)],
    ["in another order", (layers) => layers.toReversed()],
    ["more", (layers) => [...layers, layers[0]]],
  ])("LAYER_COUNT_MISMATCH: the source has the layers %s", async (_, change) => {
    const { source } = fakeImage(repository);
    const layers = change(source.layers) as typeof source.layers;
    await expect(importImage(repository, { ...source, layers })).rejects.toMatchObject(
      ociError("LAYER_COUNT_MISMATCH"),
    );
    expect(objectFiles(repository)).toEqual([]);
  });

  test("REPO_READ_ONLY", async () => {
    const readOnly = await readOnlyTwin(repository);
    await expect(importImage(readOnly, fakeImage(readOnly).source)).rejects.toMatchObject({ code: "REPO_READ_ONLY" });
    expect(objectFiles(readOnly)).toEqual([]);
  });
});

describe("failures on the way name nothing", () => {
  test("the first error is told, after the other layers have ended", async () => {
    const failure = new Error("layer 2 is gone");
    let ended = 0;
    const image = fakeImage(repository, {
      tars: [oneFile(3000), oneFile(2000), oneFile(2000)],
      onStore: async (index, { signal }) => {
        if (index === 1) throw failure;
        await new Promise((resolve) => signal.addEventListener("abort", resolve));
        await new Promise((resolve) => setTimeout(resolve, 20));
        ended++;
        throw new Error("an echo of it");
      },
    });
    await expect(importImage(repository, image.source, { tag: "app" })).rejects.toBe(failure);
    // Those that had begun have ended; the others were never begun.
    expect(ended).toBe(image.stored.length - 1);
    expect(names(repository)).toEqual({});
  });

  test.each<[string, (event: ProgressEvent) => boolean]>([
    ["before the layers", ({ type }) => type === "plan"],
    ["as a layer begins", ({ type }) => type === "start"],
    ["in a layer", ({ type }) => type === "progress"],
    ["after a layer", ({ type }) => type === "done"],
    ["before the EROFS image", (event) => event.type === "stage" && event.stage === "erofs"],
    ["before the commit", (event) => event.type === "stage" && event.stage === "commit"],
  ])("aborted %s: but for the layers that are complete, which the next import finds", async (_, when) => {
    const controller = new AbortController();
    const reason = new Error("enough");
    const done: string[] = [];
    const onProgress = (event: ProgressEvent): void => {
      if (event.type === "done") done.push(event.id);
      if (when(event)) controller.abort(reason);
    };
    const { source, stored, diffIds } = fakeImage(repository);
    const { signal } = controller;
    await expect(importImage(repository, source, { tag: "app", onProgress, signal })).rejects.toBe(reason);
    expect(Object.keys(names(repository)).sort()).toEqual(done.map((id) => `oci-layer-${id}`).sort());
    stored.length = 0;
    const { stats } = await importImage(repository, source, { tag: "app" });
    expect(stored.toSorted()).toEqual(diffIds.filter((id) => !done.includes(id)).toSorted());
    expect(stats.layersAlreadyPresent).toBe(done.length);
  });

  test("a source that goes away: but for the layers that are complete", async () => {
    const failure = new OciError("TRANSPORT", "the connection is gone");
    let left = 2;
    let othersEnded: () => void = () => undefined;
    const others = new Promise<void>((resolve) => {
      othersEnded = resolve;
    });
    const image = fakeImage(repository, {
      tars: [oneFile(3000), oneFile(2000), oneFile(1000)],
      onStore: async (index) => {
        if (index > 0) return;
        await others;
        throw failure;
      },
    });
    const onProgress = ({ type }: ProgressEvent): void => {
      if (type === "done" && --left === 0) setImmediate(othersEnded);
    };
    await expect(importImage(repository, image.source, { tag: "app", onProgress })).rejects.toBe(failure);
    const complete = image.diffIds.slice(1).map((id) => `oci-layer-${id}`);
    expect(Object.keys(names(repository)).sort()).toEqual(complete.sort());
  });

  test("aborted from the start", async () => {
    const signal = AbortSignal.abort("enough");
    const image = fakeImage(repository);
    await expect(importImage(repository, image.source, { signal })).rejects.toBe("enough");
    expect(image.stored).toEqual([]);
    expect(names(repository)).toEqual({});
  });

  test.each(["plan", "start", "progress", "done"])("a listener that throws at %s fails the import", async (type) => {
    const failure = new Error("listener");
    const onProgress = (event: ProgressEvent): void => {
      if (event.type === type) throw failure;
    };
    await expect(importImage(repository, fakeImage(repository).source, { onProgress })).rejects.toBe(failure);
    expect(names(repository)).toEqual({});
  });
});

describe("layers that are complete while others are not", () => {
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ["setInterval", "clearInterval"] });
  });
  afterEach(() => {
    vi.useRealTimers();
    vi.restoreAllMocks();
  });

  /** An image whose second layer comes when it is told to; and the import of it, which waits for that. */
  async function heldBack() {
    let [release, fail]: [() => void, (error: Error) => void] = [() => undefined, () => undefined];
    const second = new Promise<void>((resolve, reject) => {
      [release, fail] = [resolve, reject];
    });
    const tars = [oneFile(3000), oneFile(2000)];
    const { diffIds, source } = fakeImage(repository, {
      tars,
      onStore: (index) => (index === 1 ? second : undefined),
    });
    let imported: Promise<PullResult> | undefined;
    await new Promise((done) => {
      const onProgress = ({ type }: ProgressEvent): unknown => type === "done" && setImmediate(done);
      imported = importImage(repository, source, { tag: "app", onProgress });
      imported.catch(() => undefined);
    });
    return { first: `oci-layer-${diffIds[0]}`, imported: imported as Promise<PullResult>, release, fail };
  }
  const layersNamed = (): string[] => Object.keys(names(repository)).filter((name) => name.startsWith("oci-layer-"));

  test("have their names after some seconds, and no others", async () => {
    const { first, imported, release } = await heldBack();
    vi.advanceTimersByTime(4_999);
    await new Promise(setImmediate);
    expect(names(repository)).toEqual({});
    vi.advanceTimersByTime(1);
    await expect.poll(() => Object.keys(names(repository))).toEqual([first]);
    release();
    expect((await imported).changed).toBe(true);
    expect(vi.getTimerCount()).toBe(0);
  });

  test("keep them when something is wrong with another, and nothing else is named", async () => {
    const { first, imported, fail } = await heldBack();
    vi.advanceTimersByTime(5_000);
    await expect.poll(layersNamed).toEqual([first]);
    const failure = new Error("layer 2 is not what it should be");
    fail(failure);
    await expect(imported).rejects.toBe(failure);
    expect(Object.keys(names(repository))).toEqual([first]);
    expect(vi.getTimerCount()).toBe(0);
  });

  test("a naming that fails is tried again", async () => {
    const { first, imported, release } = await heldBack();
    const publish = vi.spyOn(repository, "publish").mockRejectedValueOnce(new Error("the disk is full"));
    vi.advanceTimersByTime(5_000);
    await expect.poll(() => publish.mock.settledResults).toMatchObject([{ type: "rejected" }]);
    expect(layersNamed()).toEqual([]);
    vi.advanceTimersByTime(5_000);
    await expect.poll(layersNamed).toEqual([first]);
    release();
    await imported;
  });

  test("one that had lost its name and has it again is a change", async () => {
    const { source, diffIds } = fakeImage(repository);
    await importImage(repository, source, { tag: "app" });
    const whole = names(repository);
    const path = join(repository.path, "streams", `oci-layer-${diffIds[0]}`);
    const publish = repository.publish.bind(repository);
    let last: Promise<unknown> = Promise.resolve();
    vi.spyOn(repository, "publish").mockImplementation((publication) => {
      const published = last.then(() => publish(publication));
      last = published;
      return published;
    });
    const onProgress = (event: ProgressEvent): void => {
      if (event.type === "stage" && event.stage === "commit") vi.advanceTimersByTime(5_000);
    };
    expect(await importImage(repository, source, { tag: "app", onProgress })).toMatchObject({ changed: false });
    unlinkSync(path);
    expect(await importImage(repository, source, { tag: "app", onProgress })).toMatchObject({ changed: true });
    expect(names(repository)).toEqual(whole);
  });
});
