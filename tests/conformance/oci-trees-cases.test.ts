import { execFileSync } from "node:child_process";
import { createReadStream, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { createGunzip } from "node:zlib";
import {
  buildImage,
  type ErofsVersion,
  type HashName,
  imageId,
  initRepository,
  Repository,
  unzstd,
  writeDumpfile,
} from "@composefs/core";
import {
  type ImageSource,
  imageTree,
  importImage,
  layerDumpfile,
  type OciDigest,
  openImage,
  storeTarLayer,
} from "@composefs/oci";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

/** A hand-made tar pulled by composefs-rs 0.9.4 as an image of one layer; see testdata/README.md. */
interface RecordedCase {
  readonly diff_id: OciDigest;
  readonly media_type: string;
  readonly manifest: string;
  readonly config: string;
  readonly sha256: Recorded;
  readonly sha512?: Recorded;
}
interface Recorded {
  readonly import_layer?: { readonly rc: number };
  readonly pull?: { readonly rc: number; readonly stdout: string };
  readonly dump?: string;
  readonly compute_id?: Record<"V0" | "V1" | "V2", string>;
  readonly layer_dumpfile?: { readonly rc: number; readonly stdout: string };
}

const TESTDATA = new URL("../../testdata/oci/", import.meta.url);
const { cases } = JSON.parse(readFileSync(new URL("cases.json", TESTDATA), "utf8")) as {
  cases: Record<string, RecordedCase>;
};
const VERSIONS: readonly ErofsVersion[] = [0, 1, 2];
/** Cases whose tree depends on the place of a whiteout in the tar: what is left by our own reading. */
const ORDER_SENSITIVE: Readonly<Record<string, readonly string[]>> = {
  "wh-same-layer-after": ["/usr", "/usr/a"],
  "wh-opq-last": ["/usr", "/usr/dd", "/usr/dd/a"],
  "wh-opq-root": ["/usr", "/usr/a"],
  "wh-nonempty-big": ["/usr", "/usr/a"],
  "wh-dir-as-whiteout": ["/usr", "/usr/a"],
  "wh-symlink-as-whiteout": ["/usr", "/usr/a"],
};

describe.each<HashName>(["sha256", "sha512"])("one layer, %s", (hash) => {
  let directory: string;
  beforeAll(() => {
    directory = mkdtempSync(join(tmpdir(), "oci-trees-cases-"));
    execFileSync("tar", ["-xzf", new URL("cases.tar.gz", TESTDATA).pathname, "-C", directory]);
  });
  afterAll(() => rmSync(directory, { recursive: true }));

  /** Layers that can be stored; what becomes of the others is in the tests of layers and of pull sources. */
  const recorded = Object.entries(cases).flatMap(([name, record]) => {
    const expected = record[hash];
    const stored = name.startsWith("comp-") ? expected?.pull?.rc === 0 : expected?.import_layer?.rc === 0;
    return expected?.pull !== undefined && stored ? [{ name, record, expected }] : [];
  });

  test("the cases are there", () => {
    expect(recorded.filter(({ expected }) => expected.pull?.rc === 0)).toHaveLength(77);
    expect(recorded.filter(({ expected }) => expected.pull?.rc !== 0)).toHaveLength(24);
  });

  test.each(recorded)("$name", async ({ name, record, expected }) => {
    const path = mkdtempSync(join(directory, "repo-"));
    initRepository(path, { hash, insecure: true });
    const repository = await Repository.open(path);
    try {
      const source: ImageSource = {
        manifest: Buffer.from(record.manifest),
        config: Buffer.from(record.config),
        layers: [
          {
            diffId: record.diff_id,
            bytes: null,
            store: () => storeTarLayer(repository, record.diff_id, tar(directory, name, record.media_type)),
          },
        ],
      };
      const pulled = importImage(repository, source, { tag: "x", compatWhiteouts: true });
      if (expected.pull?.rc !== 0) {
        await expect(pulled).rejects.toMatchObject({
          code: expect.stringMatching(/^(LAYER_UNSUPPORTED|TREE_INVALID)$/),
        });
        expect(repository.listStreams()).toEqual([]);
        expect(repository.listRefs("streams")).toEqual([]);
        return;
      }
      const { imageIds } = await pulled;
      expect(imageIds).toEqual(new Map([[1, expected.compute_id?.V1]]));
      expect(readdirSync(join(path, "images"))).toEqual([expected.compute_id?.V1]);
      const initialManifest = /^verity +(\S+)$/m.exec(expected.pull.stdout)?.[1] ?? "";
      expect(repository.objects.has(initialManifest as NonNullable<ReturnType<typeof imageIds.get>>)).toBe(true);

      const image = await openImage(repository, "x");
      const tree = await imageTree(repository, image, { compatWhiteouts: true });
      expect([...writeDumpfile(tree, { losses: "write" })].join("")).toBe(expected.dump);
      for (const version of VERSIONS) {
        expect(imageId(buildImage(tree, { version, hash }), hash)).toBe(expected.compute_id?.[`V${version}`]);
      }
      let text = "";
      for await (const line of layerDumpfile(repository, record.diff_id)) text += line;
      if (expected.layer_dumpfile !== undefined) expect(text).toBe(expected.layer_dumpfile.stdout);

      const own = [...writeDumpfile(await imageTree(repository, image), { losses: "write" })].join("");
      const left = ORDER_SENSITIVE[name];
      if (left === undefined) expect(own).toBe(expected.dump);
      else
        expect(
          own
            .trimEnd()
            .split("\n")
            .map((line) => line.split(" ")[0]),
        ).toEqual(["/", ...left]);
    } finally {
      await repository.close();
      rmSync(path, { recursive: true });
    }
  });

  test.each(recorded.filter(({ expected }) => expected.layer_dumpfile?.rc === 1))(
    "the dump of $name ends at the entry that no tree can have",
    async ({ name, record, expected }) => {
      const path = mkdtempSync(join(directory, "repo-"));
      initRepository(path, { hash, insecure: true });
      const repository = await Repository.open(path);
      try {
        const { id } = await storeTarLayer(repository, record.diff_id, tar(directory, name, record.media_type));
        await repository.publish({ streams: [{ contentId: `oci-layer-${record.diff_id}`, id }] });
        let text = "";
        const dump = async (): Promise<void> => {
          for await (const line of layerDumpfile(repository, record.diff_id)) text += line;
        };
        await expect(dump()).rejects.toMatchObject({ code: "LAYER_UNSUPPORTED" });
        expect(text).toBe(expected.layer_dumpfile?.stdout);
      } finally {
        await repository.close();
        rmSync(path, { recursive: true });
      }
    },
  );
});

/** The tar of a case, decompressed as its media type says. */
function tar(directory: string, name: string, mediaType: string): AsyncIterable<Uint8Array> {
  if (!name.startsWith("comp-")) return createReadStream(join(directory, `cases/${name}.tar`));
  const blob = join(directory, `cases/${name}.blob`);
  if (mediaType.endsWith("+zstd")) return Readable.from(unzstd(readFileSync(blob)));
  return createReadStream(blob).pipe(createGunzip());
}
