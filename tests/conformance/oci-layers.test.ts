import { execFileSync } from "node:child_process";
import { createReadStream, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type HashName, initRepository, Repository } from "@composefs/core";
import { importLayer, type OciDigest, summarizeLayer } from "@composefs/oci";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

/** One import of a hand-made tar by composefs-rs 0.9.4; see testdata/README.md. */
interface RecordedCase {
  readonly diff_id: OciDigest;
  readonly sha256: Recorded;
  readonly sha512?: Recorded;
}
interface Recorded {
  readonly import_layer?: { readonly rc: number; readonly stderr: string };
  readonly stream?: string;
  readonly object_refs?: readonly string[];
  readonly layer_json?: Record<string, unknown>;
}

const TESTDATA = new URL("../../testdata/oci/", import.meta.url);
const { cases } = JSON.parse(readFileSync(new URL("cases.json", TESTDATA), "utf8")) as {
  cases: Record<string, RecordedCase>;
};
/** Compressed blobs are decoded by pull sources, not by an import of a tar. */
const TARS = Object.entries(cases).filter(([name]) => !name.startsWith("comp-"));

describe.each<HashName>(["sha256", "sha512"])("import-layer, %s", (hash) => {
  let directory: string;
  let repository: Repository;
  const recorded = TARS.filter(([, record]) => record[hash]?.import_layer !== undefined);

  beforeAll(async () => {
    directory = mkdtempSync(join(tmpdir(), "oci-layers-"));
    execFileSync("tar", ["-xzf", new URL("cases.tar.gz", TESTDATA).pathname, "-C", directory]);
    initRepository(join(directory, "repo"), { hash, insecure: true });
    repository = await Repository.open(join(directory, "repo"));
  });
  afterAll(async () => {
    await repository.close();
    rmSync(directory, { recursive: true });
  });

  test("the tars are there", () => {
    expect(recorded.length).toBe(119);
  });

  test.each(recorded)("%s", async (name, record) => {
    const { import_layer, stream, object_refs, layer_json } = record[hash] as Recorded;
    const tar = createReadStream(join(directory, `cases/${name}.tar`));
    if (import_layer?.rc !== 0) {
      await expect(importLayer(repository, record.diff_id, tar)).rejects.toMatchObject({
        name: "OciError",
        code: expect.stringMatching(/^(TAR_MALFORMED|TAR_LIMIT|CHECKSUM_MISMATCH|INVALID_NUMBER)$/),
        details: { layer: record.diff_id, offset: expect.any(Number) },
      });
      expect(repository.findStream(`oci-layer-${record.diff_id}`)).toBeNull();
      return;
    }
    expect((await importLayer(repository, record.diff_id, tar)).id).toBe(stream);
    expect((await repository.openStream(`oci-layer-${record.diff_id}`)).objectRefs).toEqual(object_refs);
    if (layer_json?.entryCount !== undefined) {
      expect(await summarizeLayer(repository, record.diff_id)).toEqual(layer_json);
    } else if (layer_json !== undefined) {
      await expect(summarizeLayer(repository, record.diff_id)).rejects.toMatchObject({ code: "LAYER_UNSUPPORTED" });
    }
  });
});
