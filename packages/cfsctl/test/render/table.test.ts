import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { formatTable } from "../../src/render/table.ts";

interface Recorded {
  readonly name: string;
  readonly hash: {
    readonly sha256: {
      readonly V1: {
        readonly images_stdout: string;
        readonly images_json: {
          readonly images: readonly {
            name: string;
            manifest_digest: string;
            is_container: boolean;
            architecture: string;
            layer_count: number;
            referrer_count: number;
          }[];
        };
      };
    };
  };
}
const VECTORS = new URL("../../../../testdata/oci/vectors.json", import.meta.url);
const { images } = JSON.parse(readFileSync(VECTORS, "utf8")) as { images: readonly Recorded[] };
const HEADER = ["NAME", "DIGEST", "ARCH", "LAYERS", "REFS"];

test.each(images)("the table of $name as recorded", ({ hash }) => {
  const { images_json, images_stdout } = hash.sha256.V1;
  const rows = images_json.images.map((image) => [
    image.name,
    image.manifest_digest.slice(7, 19),
    image.is_container ? image.architecture : "artifact",
    `${image.layer_count}`,
    `${image.referrer_count}`,
  ]);
  expect(formatTable(HEADER, rows)).toBe(images_stdout);
});

test("a rule between rows, columns as wide as their widest cell", () => {
  expect(
    formatTable(
      ["A", "LONG"],
      [
        ["wider", "1"],
        ["\u{1f600}", "\u001b[2J"],
      ],
    ),
  ).toBe(
    [
      "┌───────┬─────────┐",
      "│ A     ┆ LONG    │",
      "╞═══════╪═════════╡",
      "│ wider ┆ 1       │",
      "├╌╌╌╌╌╌╌┼╌╌╌╌╌╌╌╌╌┤",
      "│ \u{1f600}     ┆ \\x1b[2J │",
      "└───────┴─────────┘",
      "",
    ].join("\n"),
  );
});

test("very many rows", () => {
  const rows = Array.from({ length: 200_000 }, (_, i) => [`${i}`]);
  expect(formatTable(["N"], rows).split("\n")).toHaveLength(400_004);
});
