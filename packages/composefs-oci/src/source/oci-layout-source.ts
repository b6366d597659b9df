import { stat } from "node:fs/promises";
import { digestOf, type OciDigest } from "../digest.ts";
import { digestMismatch } from "../digest-mismatch.ts";
import { OciError } from "../errors.ts";
import { type IndexEntry, parseImageIndex } from "../image/image-index.ts";
import { type Descriptor, parseManifest } from "../image/manifest.ts";
import { isAbsent } from "../is-absent.ts";
import { isManifestType } from "../media-types.ts";
import { openArchive } from "./archive-files.ts";
import type { AccessOptions, BlobSource, Candidate } from "./blob-source.ts";
import { directoryFiles } from "./directory-files.ts";
import type { FileSet } from "./file-set.ts";
import { readAll, readBlobFile } from "./read-all.ts";
import { malformed, noSuchBlob, noSuchName, noSuchPath } from "./source-errors.ts";
import { splitTag } from "./split-tag.ts";

/**
 * Opens an OCI layout in a directory.
 *
 * @param reference as given, for messages
 * @param text what stands after `oci:`, that is `DIR[:TAG]`
 * @throws OciError `SOURCE_NOT_FOUND`; KernelError
 * @see oci.md §1.3
 */
export async function openOciDirectory(reference: string, text: string): Promise<BlobSource> {
  const { path, tag } = await splitTag(text, "last-colon");
  const found = await stat(path).catch((error: unknown) => {
    if (isAbsent(error)) return null;
    throw error;
  });
  if (found === null) throw noSuchPath(reference, path);
  if (!found.isDirectory()) {
    throw malformed(reference, `${path} is no directory`, "a layout in a file is called oci-archive:FILE");
  }
  return layoutSource(reference, directoryFiles(path), tag);
}

/**
 * Opens an OCI layout in a tar, which may be compressed by gzip or zstd.
 *
 * @param text what stands after `oci-archive:`, that is `FILE[:TAG]`
 * @throws OciError `SOURCE_NOT_FOUND`, `SOURCE_INVALID`; KernelError
 */
export async function openOciArchive(
  reference: string,
  text: string,
  options: AccessOptions = {},
): Promise<BlobSource> {
  const { path, tag } = await splitTag(text, "first-colon");
  const files = await openArchive(path, options);
  if (files === null) throw noSuchPath(reference, path);
  return layoutSource(reference, files, tag);
}

function layoutSource(reference: string, files: FileSet, tag: string | null): BlobSource {
  let referrers: ReturnType<typeof referrersBySubject> | null = null;
  return {
    reference,
    candidates: (options) => candidates(reference, files, tag, options),
    readManifest: async (descriptor, options) => {
      const bytes = await readAll(files, blobPath(descriptor), options, descriptor.size + 1);
      if (bytes === null) throw noSuchBlob(`manifest ${descriptor.digest}`);
      return bytes;
    },
    readBlob: (descriptor, options) =>
      readBlobFile(
        () => files.open(blobPath(descriptor)),
        () => noSuchBlob(`blob ${descriptor.digest}`),
        options,
      ),
    readReferrers: async ({ digest }, options) => {
      referrers ??= referrersBySubject(reference, files, options);
      return (await referrers).get(digest) ?? [];
    },
    close: () => files.close(),
  };
}

function blobPath({ digest }: Descriptor): string {
  return `blobs/${digest.replace(":", "/")}`;
}

async function indexEntries(reference: string, files: FileSet, options?: AccessOptions): Promise<IndexEntry[]> {
  const bytes = await readAll(files, "index.json", options);
  if (bytes === null) throw malformed(reference, "it has no index.json", "this is no OCI layout");
  return parseImageIndex(bytes, "index.json");
}

/**
 * The manifests of a layout that are about another one, by its digest: what each one is about stands in itself. One that is
 * not there may be left out of a layout; one that is damaged may be about anything.
 *
 * @throws OciError `BLOB_DIGEST_MISMATCH`, `SOURCE_INVALID`
 */
async function referrersBySubject(
  reference: string,
  files: FileSet,
  options?: AccessOptions,
): Promise<ReadonlyMap<OciDigest, readonly Candidate[]>> {
  const manifests = (await indexEntries(reference, files, options)).filter(({ mediaType }) =>
    isManifestType(mediaType),
  );
  const bySubject = new Map<OciDigest, Candidate[]>();
  for (const entry of new Map(manifests.map((manifest) => [manifest.digest, manifest])).values()) {
    const bytes = await readAll(files, blobPath(entry), options);
    if (bytes === null) continue;
    const actual = digestOf(bytes, entry.digest);
    if (actual !== entry.digest) throw digestMismatch(`manifest ${entry.digest}`, entry.digest, actual);
    const subject = subjectOf(bytes);
    if (subject === null) continue;
    const others = bySubject.get(subject);
    if (others === undefined) bySubject.set(subject, [entry]);
    else others.push(entry);
  }
  return bySubject;
}

/** The digest of the manifest that another one is about; null for none, and for what is no manifest. */
function subjectOf(manifest: Uint8Array): OciDigest | null {
  try {
    return parseManifest(manifest).subject?.digest ?? null;
  } catch (error) {
    if (error instanceof OciError) return null;
    throw error;
  }
}

async function candidates(
  reference: string,
  files: FileSet,
  tag: string | null,
  options?: AccessOptions,
): Promise<readonly Candidate[]> {
  const entries = await indexEntries(reference, files, options);
  const found = tag === null ? entries : entries.filter(({ refName }) => refName === tag);
  if (found.length > 0) return found;
  const names = [...new Set(entries.flatMap(({ refName }) => (refName === null ? [] : [refName])))];
  if (tag !== null) throw noSuchName(reference, tag, names, "give one of these after the path's colon, or none");
  throw new OciError("SOURCE_NOT_FOUND", `${reference}: its index.json lists no manifest`, {
    details: { source: reference },
    hint: "the layout is empty; put an image into it",
  });
}
