import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { parseDumpfileBytes } from "../../packages/composefs/src/dumpfile/parse.ts";
import { writeDumpfile } from "../../packages/composefs/src/dumpfile/write.ts";
import { buildImage, imageId } from "../../packages/composefs/src/erofs/build-image.ts";
import { imageObjects } from "../../packages/composefs/src/erofs/image-objects.ts";
import { parseImage } from "../../packages/composefs/src/erofs/parse-image.ts";
import type { Directory } from "../../packages/composefs/src/tree/node.ts";

/** Recorded with composefs-rs 0.9.0; the file's own `fields` says what each key is. */
interface Recorded {
  readonly id: string;
  readonly sha256: string;
  readonly size: number;
  readonly dump_sha256: string | null;
  readonly objects: { readonly count: number; readonly sha256: string } | null;
  readonly file?: string;
}

type Hash = "sha256" | "sha512";

interface Case {
  readonly name: string;
  readonly dump: Readonly<Record<Hash, { readonly file: string }>>;
  readonly images: Readonly<Record<Hash, Readonly<Record<"v0" | "v1" | "v2", Recorded>>>>;
}

const read = (name: string): Buffer => readFileSync(new URL(`../../testdata/erofs/${name}`, import.meta.url));
const { cases } = JSON.parse(read("vectors.json").toString()) as { cases: Case[] };
const sha256 = (data: Uint8Array | string): string => createHash("sha256").update(data).digest("hex");

/** The reference writes it, and cannot read it back. */
const OVERFLOW = "90-overflow";

describe.each(cases.filter(({ name }) => name !== OVERFLOW))("$name", ({ dump, images }) => {
  describe.each(["sha256", "sha512"] as const)("%s", (hash) => {
    const tree = (): Directory => parseDumpfileBytes(read(dump[hash].file), { hash });

    test.each([0, 1, 2] as const)("V%i", (version) => {
      const recorded = images[hash][`v${version}`];
      const image = Buffer.from(buildImage(tree(), { version, hash }));
      expect(image.length).toBe(recorded.size);
      if (recorded.file !== undefined) expect(image.equals(read(recorded.file))).toBe(true);
      expect(sha256(image)).toBe(recorded.sha256);
      expect(imageId(image, hash)).toBe(recorded.id);

      const text = [...writeDumpfile(parseImage(image, { hash }), { losses: "write" })].join("");
      expect(sha256(text)).toBe(recorded.dump_sha256);

      if (recorded.objects === null) {
        expect(() => imageObjects(image, hash)).toThrow(expect.objectContaining({ code: "IMAGE_INVALID" }));
      } else {
        const ids = imageObjects(image, hash);
        expect(ids.length).toBe(recorded.objects.count);
        expect(sha256(ids.map((id) => `${hash}:${id}\n`).join(""))).toBe(recorded.objects.sha256);
      }
    });
  });
});

describe(OVERFLOW, () => {
  const overflow = cases.find(({ name }) => name === OVERFLOW) as Case;
  test.each([0, 1, 2] as const)("V%i is refused", (version) => {
    const tree = parseDumpfileBytes(read(overflow.dump.sha256.file), { hash: "sha256" });
    expect(() => buildImage(tree, { version, hash: "sha256" })).toThrow(
      expect.objectContaining({ code: "IMAGE_UNREPRESENTABLE" }),
    );
  });
});
