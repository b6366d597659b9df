import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { HashName } from "@composefs/core";
import { type OciDigest, pull } from "@composefs/oci";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { layoutAsDir, layoutAsDockerArchive } from "../support/layout-forms.ts";
import { type LayoutRegistry, startLayoutRegistry } from "../support/layout-registry.ts";
import { withNewRepository } from "../support/pull-into.ts";

/** A tar or compressed blob pulled by composefs-rs 0.9.4 as the one layer of an image; see testdata/README.md. */
interface RecordedCase {
  readonly diff_id: OciDigest;
  readonly manifest: string;
  readonly config: string;
  readonly sha256: Recorded;
  readonly sha512?: Recorded;
}
interface Recorded {
  readonly pull?: { readonly rc: number };
  readonly stream?: string;
  readonly compute_id?: Record<"V1", string>;
}

const TESTDATA = new URL("../../testdata/oci/", import.meta.url);
const { cases } = JSON.parse(readFileSync(new URL("cases.json", TESTDATA), "utf8")) as {
  cases: Record<string, RecordedCase>;
};
const TRANSPORTS: readonly (readonly [string, (layout: string, manifest: string) => string])[] = [
  ["oci", (layout) => `oci:${layout}`],
  ["dir", (layout) => `dir:${layoutAsDir(layout, directory)}`],
  ["docker-archive", (layout, manifest) => `docker-archive:${layoutAsDockerArchive(layout, manifest, directory)}`],
  ["docker", (layout) => registry.offer(layout)],
];
/** What is wrong with a blob that cannot be stored; everything else that fails is a fault of the tar. */
const CORRUPT: ReadonlySet<string> = new Set([
  "comp-gzip-trailing-garbage",
  "comp-gzip-as-plain",
  "comp-plain-as-gzip",
  "comp-plain-as-zstd",
  "comp-gzip-truncated",
  "comp-zstd-truncated",
  "comp-empty-gzip-blob",
  "comp-empty-zstd-blob",
]);
/** An archive by `docker save` has no media types, so none can be wrong; an empty layer is a tar of nothing. */
const SAVED: Readonly<Record<string, string | null>> = {
  "comp-gzip-as-plain": null,
  "comp-plain-as-gzip": null,
  "comp-plain-as-zstd": null,
  "comp-empty-gzip-blob": "BLOB_DIGEST_MISMATCH",
  "comp-empty-zstd-blob": "BLOB_DIGEST_MISMATCH",
};
const OF_TAR = /^(TAR_MALFORMED|TAR_LIMIT|CHECKSUM_MISMATCH|INVALID_NUMBER)$/;
const OF_TREE = /^(LAYER_UNSUPPORTED|TREE_INVALID)$/;

let directory: string;
let registry: LayoutRegistry;
beforeAll(async () => {
  registry = await startLayoutRegistry();
  for (const [name, value] of Object.entries(registry.env)) vi.stubEnv(name, value);
  directory = mkdtempSync(join(tmpdir(), "oci-sources-cases-"));
  execFileSync("tar", ["-xzf", new URL("cases.tar.gz", TESTDATA).pathname, "-C", directory]);
});
afterAll(async () => {
  vi.unstubAllEnvs();
  await registry.close();
  rmSync(directory, { recursive: true });
});

/** The image of a case as an OCI layout. */
function layout(name: string, { manifest, config }: RecordedCase): string {
  const path = mkdtempSync(join(directory, "layout-"));
  mkdirSync(join(path, "blobs/sha256"), { recursive: true });
  const put = (bytes: Uint8Array | string): string => {
    const hex = createHash("sha256").update(bytes).digest("hex");
    writeFileSync(join(path, "blobs/sha256", hex), bytes);
    return `sha256:${hex}`;
  };
  put(readFileSync(join(directory, "cases", `${name}.${name.startsWith("comp-") ? "blob" : "tar"}`)));
  put(config);
  const mediaType = "application/vnd.oci.image.manifest.v1+json";
  const entry = { mediaType, digest: put(manifest), size: Buffer.byteLength(manifest) };
  writeFileSync(join(path, "index.json"), JSON.stringify({ schemaVersion: 2, manifests: [entry] }));
  return path;
}

describe.each<HashName>(["sha256", "sha512"])("one layer, %s", (hash) => {
  const recorded = Object.entries(cases).flatMap(([name, record]) =>
    record[hash]?.pull === undefined ? [] : [{ name, record, expected: record[hash] as Required<Recorded> }],
  );

  test("all cases are there", () => {
    const compressed = recorded.filter(({ name }) => name.startsWith("comp-"));
    expect([recorded.length, compressed.length]).toEqual([133, 14]);
  });

  // Where blobs come from does not depend on the hash.
  const transports = hash === "sha256" ? TRANSPORTS : TRANSPORTS.slice(0, 1);
  const each = recorded.flatMap((one) => transports.map(([transport, carry]) => ({ ...one, transport, carry })));
  test.each(each)("$name by $transport", async ({ name, record, expected, transport, carry }) => {
    const reference = carry(layout(name, record), record.manifest);
    await withNewRepository(directory, hash, async (repository) => {
      const pulled = pull(repository, reference, { tag: "x", compatWhiteouts: true });
      const code = transport === "docker-archive" ? SAVED[name] : undefined;
      if (code === null) {
        await pulled;
        expect(repository.listStreams()).toContain(`oci-layer-${record.diff_id}`);
      } else if (code !== undefined) {
        await expect(pulled).rejects.toMatchObject({ code, details: { source: reference, layer: record.diff_id } });
        expect(repository.listStreams()).toEqual([]);
      } else if (expected.pull.rc === 0) {
        expect((await pulled).imageIds).toEqual(new Map([[1, expected.compute_id.V1]]));
        if (expected.stream !== undefined) {
          expect(repository.findStream(`oci-layer-${record.diff_id}`)).toBe(expected.stream);
        }
      } else {
        const error = await pulled.then(
          () => null,
          (thrown: unknown) => thrown as { code: string; message: string; details: Record<string, unknown> },
        );
        if (CORRUPT.has(name)) expect(error?.code).toBe("LAYER_CORRUPT");
        else expect(error?.code).toMatch(new RegExp(`${OF_TAR.source}|${OF_TREE.source}`));
        if (CORRUPT.has(name) || OF_TAR.test(error?.code ?? "")) {
          expect(error?.details).toMatchObject({
            source: reference,
            layer: record.diff_id,
            offset: expect.any(Number),
          });
          expect(error?.message).toContain(reference);
          expect(error?.message).toContain(record.diff_id);
        }
        expect(repository.listStreams()).toEqual([]);
        expect(repository.listRefs("streams")).toEqual([]);
      }
      expect((await repository.fsck()).ok).toBe(true);
    });
  });
});
