import { join } from "node:path";
import { type ErofsFormats, type ErofsVersion, initRepository, type ObjectId, Repository } from "@composefs/core";
import { imageKey, openImage, type PullResult, pull } from "@composefs/oci";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { requires } from "../support/capabilities.ts";
import { withMountedImage } from "../support/image-mount.ts";
import { type LoopFs, mountLoopFs } from "../support/loop-fs.ts";
import { testStore } from "../support/store.ts";
import { buildSmallImage } from "../support/store-builder.ts";
import { walkIndependently } from "./scan-lay-out.ts";

/** What the config's stream names: by the keys of oci.md §3.1. */
type Linked = Record<string, ObjectId | undefined>;

describe.skipIf(requires("xfs", "buildah", "overlay") !== null)("the EROFS formats of a repository", () => {
  let fs: LoopFs;
  let reference: string;

  beforeAll(() => {
    fs = mountLoopFs("xfs");
    reference = `containers-storage:${buildSmallImage(testStore(fs.path))}`;
  });
  afterAll(() => fs?.dispose());

  async function withRepository(
    name: string,
    erofs: ErofsFormats,
    use: (repository: Repository) => Promise<void>,
  ): Promise<void> {
    const path = join(fs.path, name);
    expect(initRepository(path, { insecure: true, erofs })).toBe("created");
    await using repository = await Repository.open(path);
    expect(repository.erofs).toEqual(erofs);
    await use(repository);
  }

  async function linked(repository: Repository): Promise<Linked> {
    const { configRefs } = await openImage(repository, "small");
    return { v1: configRefs.get(imageKey(1)), v2: configRefs.get(imageKey(2)) };
  }

  const pullSmall = (repository: Repository, erofsVersion?: ErofsVersion): Promise<PullResult> =>
    pull(repository, reference, { tag: "small", ...(erofsVersion === undefined ? {} : { erofsVersion }) });

  test.each([
    { default: 1, extra: [2] },
    { default: 2, extra: [1] },
    { default: 0, extra: [2] },
  ] as const)(
    "default $default and extra $extra: one pull links both, and both outlive a collection",
    async (erofs) => {
      const versions = [erofs.default, ...erofs.extra];
      await withRepository(`both-${versions.join("-")}`, erofs, async (repository) => {
        const { imageIds } = await pullSmall(repository);
        expect([...imageIds.keys()]).toEqual(versions);
        const low = imageIds.get(versions.find((version) => version < 2) ?? 2);
        expect(low).not.toBe(imageIds.get(2));
        expect(await linked(repository)).toEqual({ v1: low, v2: imageIds.get(2) });
        await repository.gc();
        const shown = [];
        for (const id of imageIds.values()) shown.push(await withMountedImage(repository, id, walkIndependently));
        expect(shown[0]?.length).toBeGreaterThan(50);
        // buildah gave all files whole seconds, so that V2 loses nothing.
        expect(shown[1]).toEqual(shown[0]);
        expect((await pullSmall(repository)).changed).toBe(false);
      });
    },
  );

  // D26: the reference drops the link to the V2 image here, which a collection then takes.
  test.each([
    [2, 1],
    [1, 2],
    [2, 0],
  ] as const)(
    "D26: a pull with format V%i as default, then one that asks for V%i: neither is lost",
    async (main, other) => {
      await withRepository(`override-${main}-${other}`, { default: main, extra: [] }, async (repository) => {
        const first = await pullSmall(repository);
        const second = await pullSmall(repository, other);
        const [mainId, otherId] = [first.imageIds.get(main), second.imageIds.get(other)];
        expect([...first.imageIds.keys(), ...second.imageIds.keys()]).toEqual([main, other]);
        expect(await linked(repository)).toEqual({
          v1: main === 2 ? otherId : mainId,
          v2: main === 2 ? mainId : otherId,
        });
        const { pruned } = await repository.gc();
        expect(pruned).toEqual([]);
        expect((await repository.fsck()).findings).toEqual([]);
        for (const id of [mainId, otherId]) {
          const entries = await withMountedImage(repository, repository.resolveImage(id ?? ""), walkIndependently);
          expect(entries.map(({ path }) => path)).toContain("/usr/bin/tool");
        }
        // And back: the default is there still.
        const third = await pullSmall(repository);
        expect([third.changed, third.imageIds.get(main)]).toEqual([false, mainId]);
      });
    },
  );

  // D26: the reference fails after the import.
  test("D26: a repository of format V0", async () => {
    await withRepository("zero", { default: 0, extra: [] }, async (repository) => {
      const { imageIds } = await pullSmall(repository);
      expect(await linked(repository)).toEqual({ v1: imageIds.get(0), v2: undefined });
      const entries = await withMountedImage(repository, imageIds.get(0) as ObjectId, walkIndependently);
      expect(entries.map(({ path }) => path)).toContain("/usr/bin/tool");
    });
  });
});
