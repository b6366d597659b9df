import { expect, test } from "vitest";
import { manifestMediaType, replaceLayerBlobs } from "../../src/sink/rewrite-manifest.ts";
import { codeOf } from "../code-of.ts";
import { sha256 } from "../tar-builder.ts";

const [OLD, NEW, KEPT] = [sha256("old"), sha256("new"), sha256("kept")];
const rewrite = (layers: object[], ...blobs: { digest: typeof OLD; size: number }[]): unknown =>
  (
    JSON.parse(Buffer.from(replaceLayerBlobs(Buffer.from(JSON.stringify({ layers })), blobs)).toString()) as {
      layers: unknown;
    }
  ).layers;

test("all but digest and size stays, in its order, without spaces", () => {
  const manifest = `{ "z": 1, "schemaVersion": 2,\n "layers": [ {"size": 1, "digest": "${OLD}", "mediaType": "m", "x": [1]}, {"mediaType": "n", "digest": "${KEPT}", "size": 7, "urls": ["u"]} ], "a": {"é": null} }`;
  const after = replaceLayerBlobs(Buffer.from(manifest), [
    { digest: NEW, size: 2 },
    { digest: KEPT, size: 7 },
  ]);
  expect(Buffer.from(after).toString()).toBe(
    `{"z":1,"schemaVersion":2,"layers":[{"size":2,"digest":"${NEW}","mediaType":"m","x":[1]},{"mediaType":"n","digest":"${KEPT}","size":7,"urls":["u"]}],"a":{"é":null}}`,
  );
});

test("what tells of the old blob goes", () => {
  const layer = {
    mediaType: "m",
    digest: OLD,
    size: 1,
    urls: ["https://example.com/blob"],
    data: "AA==",
    annotations: {
      "io.github.containers.zstd-chunked.manifest-checksum": "a",
      "io.github.containers.zstd-chunked.manifest-position": "b",
      "io.github.containers.zstd-chunked.tarsplit-position": "c",
      "containerd.io/snapshot/stargz/toc.digest": "d",
      "io.containers.estargz.uncompressed-size": "e",
      title: "kept",
    },
  };
  expect(rewrite([layer], { digest: NEW, size: 2 })).toEqual([
    { mediaType: "m", digest: NEW, size: 2, annotations: { title: "kept" } },
  ]);
  expect(rewrite([layer], { digest: OLD, size: 1 })).toEqual([layer]);
  const { title: _, ...blobAnnotations } = layer.annotations;
  expect(rewrite([{ ...layer, annotations: blobAnnotations }], { digest: NEW, size: 2 })).toEqual([
    { mediaType: "m", digest: NEW, size: 2 },
  ]);
});

test.each([
  ['{"mediaType":"a/b"}', "a/b"],
  ['{"config":{"mediaType":"application/vnd.oci.image.config.v1+json"}}', "application/vnd.oci.image.manifest.v1+json"],
  [
    '{"config":{"mediaType":"application/vnd.docker.container.image.v1+json"}}',
    "application/vnd.docker.distribution.manifest.v2+json",
  ],
  ["{}", "application/vnd.oci.image.manifest.v1+json"],
])("%s is %s", (manifest, type) => expect(manifestMediaType(Buffer.from(manifest))).toBe(type));

test.each(["", "[]", '{"layers":1}', '{"layers":[1]}'])("MANIFEST_INVALID: '%s'", (manifest) => {
  expect(codeOf(() => replaceLayerBlobs(Buffer.from(manifest), []))).toBe("MANIFEST_INVALID");
});
