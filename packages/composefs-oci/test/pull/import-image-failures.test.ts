import { symlinkSync, unlinkSync } from "node:fs";
import { join } from "node:path";
import type { Repository } from "@composefs/core";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { OciError } from "../../src/errors.ts";
import type { ProgressEvent } from "../../src/progress.ts";
import type { SourceLayerOptions } from "../../src/pull/image-source.ts";
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
  async function heldBack({ tars = [oneFile(3000), oneFile(2000)], isMisnamed = false } = {}) {
    let [release, fail]: [() => void, (error: Error) => void] = [() => undefined, () => undefined];
    const held = new Promise<void>((resolve, reject) => {
      [release, fail] = [resolve, reject];
    });
    const { diffIds, source } = fakeImage(repository, {
      tars,
      onStore: (index) => (index === 1 ? held : undefined),
    });
    const layers = source.layers.map((layer) => ({
      ...layer,
      store: async (run: SourceLayerOptions) => ({ ...(await layer.store(run)), isMisnamed }),
    }));
    const publish = vi.spyOn(repository, "publish");
    let imported: Promise<PullResult> | undefined;
    await new Promise((done) => {
      const onProgress = ({ type }: ProgressEvent): unknown => type === "done" && setImmediate(done);
      imported = importImage(repository, { ...source, layers }, { tag: "app", onProgress });
      imported.catch(() => undefined);
    });
    return {
      first: `oci-layer-${diffIds[0]}`,
      second: `oci-layer-${diffIds[1]}`,
      imported: imported as Promise<PullResult>,
      publish,
      release,
      fail,
      /** Lets time pass, and namings that are due then begin. */
      pass: async (ms: number) => {
        vi.advanceTimersByTime(ms);
        await new Promise(setImmediate);
      },
    };
  }
  const allNames = (): string[] => Object.keys(names(repository));

  test("have their names after five seconds, once, and no others have", async () => {
    const { first, imported, publish, release, pass } = await heldBack();
    await pass(4_999);
    expect(publish).not.toHaveBeenCalled();
    await pass(1);
    expect(publish).toHaveBeenCalledTimes(1);
    expect(await publish.mock.results[0]?.value).toBe(true);
    expect(allNames()).toEqual([first]);
    await pass(20_000);
    expect(publish).toHaveBeenCalledTimes(1);
    release();
    expect((await imported).changed).toBe(true);
    expect(vi.getTimerCount()).toBe(0);
  });

  test("are named one time after the other, and the commit waits for the last", async () => {
    const { imported, publish, release, pass } = await heldBack();
    let end: () => void = () => undefined;
    const order: string[] = [];
    publish.mockImplementationOnce(async () => {
      await new Promise<void>((resolve) => {
        end = resolve;
      });
      order.push("named");
      return true;
    });
    await pass(5_000);
    await pass(20_000);
    expect(publish).toHaveBeenCalledTimes(1);
    release();
    const ended = imported.then(() => order.push("imported"));
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(publish).toHaveBeenCalledTimes(1);
    end();
    await ended;
    expect(order).toEqual(["named", "imported"]);
    expect(publish).toHaveBeenCalledTimes(2);
  });

  test("keep them when something is wrong with another, and nothing else is named", async () => {
    const { first, imported, publish, fail, pass } = await heldBack();
    await pass(5_000);
    await publish.mock.results[0]?.value;
    const failure = new Error("layer 2 is not what it should be");
    fail(failure);
    await expect(imported).rejects.toBe(failure);
    expect(allNames()).toEqual([first]);
    expect(vi.getTimerCount()).toBe(0);
  });

  test("get none when they are not what their diff_id says", async () => {
    const { imported, publish, release, pass } = await heldBack({ isMisnamed: true });
    await pass(60_000);
    expect(publish).not.toHaveBeenCalled();
    release();
    await imported;
    expect(allNames().filter((name) => name.startsWith("oci-layer-"))).toEqual([]);
  });

  test("a naming that fails is tried again", async () => {
    const { first, imported, publish, release, pass } = await heldBack();
    publish.mockRejectedValueOnce(new Error("the disk is full"));
    await pass(5_000);
    expect(publish).toHaveBeenCalledTimes(1);
    expect(allNames()).toEqual([]);
    await pass(5_000);
    await publish.mock.results[1]?.value;
    expect(allNames()).toEqual([first]);
    release();
    await imported;
  });

  test("a repository that is closed meanwhile is not touched any more, nor another one by its descriptor", async () => {
    const { imported, publish, release, pass } = await heldBack();
    await repository.close();
    const other = await tempRepository();
    const before = state(other);
    await pass(5_000);
    await expect(publish.mock.results[0]?.value).rejects.toThrow("closed");
    release();
    await expect(imported).rejects.toThrow("closed");
    expect(state(other)).toEqual(before);
  });

  test("one that had lost its name and has it again is a change", async () => {
    const tars = [oneFile(3000), oneFile(2000)];
    await importImage(repository, fakeImage(repository, { tars }).source, { tag: "app" });
    const whole = names(repository);
    const links = allNames().filter((name) => name.startsWith("oci-layer-"));
    for (const name of links) unlinkSync(join(repository.path, "streams", name));
    const { first, second, imported, publish, release, pass } = await heldBack({ tars });
    await pass(5_000);
    await publish.mock.results[0]?.value;
    expect(allNames()).toContain(first);
    // Somebody else names the other one.
    symlinkSync(whole[second] as string, join(repository.path, "streams", second));
    release();
    expect((await imported).changed).toBe(true);
    expect(await publish.mock.results[1]?.value).toBe(false);
    expect(names(repository)).toEqual(whole);
  });
});
