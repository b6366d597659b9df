import { lstat, open, readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { makeDirectories } from "@composefs/core";
import { OciError } from "../errors.ts";
import { optionalStringField, parseJsonObject } from "../image/json-shape.ts";
import type { Descriptor } from "../image/manifest.ts";
import { isAbsent } from "../is-absent.ts";
import type { AccessOptions } from "../source/blob-source.ts";
import { hasBlobFile, writeBlobFile } from "./blob-files.ts";
import type { BlobSink } from "./blob-sink.ts";
import { addToIndex, artifactType, type NewIndexEntry } from "./layout-index.ts";
import { withDirectoryLock } from "./layout-lock.ts";
import { once } from "./once.ts";
import { replaceFile, syncDirectory } from "./write-file.ts";

/** Settings of {@link openDirectorySink}. */
export interface DirectorySinkOptions {
  /** The reference as it was given, for messages. */
  readonly reference: string;
  /** Name for the image; null for none. */
  readonly tag: string | null;
  /** Whether everything must be on disk before it has a name; default true. */
  readonly durable?: boolean | undefined;
}

/** Far above any real index or marker. */
const MAX_INDEX_BYTES = 16 * 1024 * 1024;
const LAYOUT_NAME = "oci-layout";
const INDEX_NAME = "index.json";
const LAYOUT_VERSION = "1.0.0";
const LAYOUT = `{"imageLayoutVersion":"${LAYOUT_VERSION}"}`;

/**
 * A sink that makes an OCI layout of a directory, or adds to the one there is. Blobs come into it as they are stored; the
 * index names the image only with `finish`, under a lock against another that adds to it.
 *
 * @throws OciError `DESTINATION_INVALID` something else is there; node:fs errors
 */
export async function openDirectorySink(directory: string, options: DirectorySinkOptions): Promise<BlobSink> {
  const { reference, tag, durable = true } = options;
  const index = join(directory, INDEX_NAME);
  await makeLayoutDirectory(directory);
  await withDirectoryLock(directory, () => prepareDirectory(directory, durable));
  // A damaged index shows before anything is copied.
  addToIndex(await readSmallFile(index), [], index);
  const entries: NewIndexEntry[] = [];

  const put = async (descriptor: Descriptor, bytes: Uint8Array, name: string | null): Promise<void> => {
    await writeBlobFile(directory, once(bytes), descriptor, { durable });
    const { mediaType, digest, size } = descriptor;
    entries.push({ mediaType, digest, size, artifactType: artifactType(bytes), tag: name });
  };
  return {
    reference,
    hasBlob: (digest, { size }: { readonly size?: number | undefined } = {}) => hasBlobFile(directory, digest, size),
    putBlob: (open, expected, { signal }: AccessOptions = {}) =>
      writeBlobFile(directory, open(), expected, { durable, signal }),
    putManifest: (descriptor, bytes) => put(descriptor, bytes, tag),
    putReferrer: (descriptor, bytes) => put(descriptor, bytes, null),
    finish: async () => {
      if (durable) await syncBlobDirectories(directory);
      await withDirectoryLock(directory, async () => {
        const changed = addToIndex(await readSmallFile(index), entries, index);
        if (changed !== null) await replaceFile(index, changed, { durable });
      });
      if (durable) await syncDirectory(directory);
    },
    close: async () => undefined,
  };
}

async function makeLayoutDirectory(directory: string): Promise<void> {
  try {
    makeDirectories(directory);
    if ((await stat(directory)).isDirectory()) return;
  } catch (error) {
    // A file on the way, or a symbolic link that leads nowhere.
    if (!["EEXIST", "ENOTDIR", "ENOENT"].includes((error as NodeJS.ErrnoException).code ?? "")) throw error;
  }
  throw new OciError("DESTINATION_INVALID", `${directory} is no directory and cannot become one`, {
    details: { path: directory },
    hint: "export to a new directory; an archive is oci-archive:FILE",
  });
}

/** An empty directory becomes a layout; one with other things in it is taken for a mistake. */
async function prepareDirectory(directory: string, durable: boolean): Promise<void> {
  const path = join(directory, LAYOUT_NAME);
  const layout = await readSmallFile(path);
  if (layout === null) {
    const names = await readdir(directory);
    if (names.length > 0 && !names.includes(INDEX_NAME)) {
      throw new OciError("DESTINATION_INVALID", `${directory} is not empty, and no OCI layout`, {
        details: { path: directory },
        hint: "export to a new directory",
      });
    }
    await replaceFile(path, Buffer.from(LAYOUT), { durable });
    return;
  }
  const version = layoutVersion(layout);
  if (version === LAYOUT_VERSION) return;
  throw new OciError(
    "DESTINATION_INVALID",
    `${path} ${version === null ? "is no marker of an OCI layout" : `says version '${version}'`}, expected ${LAYOUT_VERSION}`,
    { details: { path, version }, hint: "export to another directory" },
  );
}

function layoutVersion(bytes: Uint8Array): string | null {
  try {
    return optionalStringField(parseJsonObject(bytes, LAYOUT_NAME), "imageLayoutVersion");
  } catch (error) {
    if (error instanceof OciError) return null;
    throw error;
  }
}

/** Content of a file of the layout; null where there is none. */
async function readSmallFile(path: string): Promise<Uint8Array | null> {
  const found = await lstat(path).catch((error: unknown) => {
    if (isAbsent(error)) return null;
    throw error;
  });
  if (found === null) return null;
  if (!found.isFile() || found.size > MAX_INDEX_BYTES) {
    const what = found.isFile() ? `has ${found.size} bytes, more than ${MAX_INDEX_BYTES}` : "is no regular file";
    throw new OciError("DESTINATION_INVALID", `${path} ${what}`, {
      details: { path, size: found.size },
      hint: "export to another directory",
    });
  }
  const file = await open(path);
  try {
    return await file.readFile();
  } finally {
    await file.close();
  }
}

async function syncBlobDirectories(directory: string): Promise<void> {
  const blobs = join(directory, "blobs");
  for (const algorithm of await readdir(blobs)) await syncDirectory(join(blobs, algorithm));
  await syncDirectory(blobs);
}
