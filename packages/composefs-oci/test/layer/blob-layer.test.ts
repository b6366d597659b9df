import { afterEach, expect, test } from "vitest";
import { storeBlobLayer } from "../../src/layer/blob-layer.ts";
import { ociError } from "../code-of.ts";
import { chunked, noise, sha256 } from "../tar-builder.ts";
import { names, objectFiles, removeRepositories, tempRepository } from "../temp-repository.ts";

afterEach(removeRepositories);

test.each([0, 1, 64, 65, 2 ** 20 + 1])("a blob of %i bytes is one object", async (size) => {
  const repository = await tempRepository();
  const bytes = noise(size);
  const { id, stats } = await storeBlobLayer(repository, sha256(bytes), chunked(bytes));
  expect(stats).toMatchObject({ objectsCopied: 1, bytesCopied: size, bytesInlined: 0 });
  const stream = await repository.openStreamObject(id, "test");
  expect(stream).toMatchObject({ type: "oci_blob", size });
  expect(Buffer.compare(await repository.objects.read(stream.objectRefs[0] as typeof id), bytes)).toBe(0);
  expect(names(repository)).toEqual({});
});

test("BLOB_DIGEST_MISMATCH stores nothing", async () => {
  const repository = await tempRepository();
  await expect(storeBlobLayer(repository, sha256("other"), chunked(noise(1000)))).rejects.toMatchObject(
    ociError("BLOB_DIGEST_MISMATCH", { expected: sha256("other") }),
  );
  expect(objectFiles(repository)).toEqual([]);
});

test("cancelled, nothing is stored", async () => {
  const repository = await tempRepository();
  const bytes = noise(1000);
  const signal = AbortSignal.abort(new Error("enough"));
  await expect(storeBlobLayer(repository, sha256(bytes), chunked(bytes), { signal })).rejects.toBe(signal.reason);
  expect(objectFiles(repository)).toEqual([]);
});
