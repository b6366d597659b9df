import { randomBytes } from "node:crypto";
import { type FileHandle, open, unlink } from "node:fs/promises";
import { join } from "node:path";
import { CompressionError } from "../compression/compression-error.ts";
import { decompress, sniffCompression } from "../compression/decompress.ts";
import { OciError } from "../errors.ts";
import { temporaryDirectory } from "../temporary-directory.ts";
import type { AccessOptions } from "./blob-source.ts";
import type { FileContent, FileSet } from "./file-set.ts";
import { openRegular, readRange } from "./read-file.ts";
import { type ArchiveEntry, archivePath, indexTar } from "./tar-index.ts";

/** Links that lead to links are followed this often. */
const MAX_LINKS = 8;

/**
 * The files in a tar, read in place. A compressed one is unpacked to a file without a name first, in `TMPDIR`.
 *
 * @returns null when there is no file of this name
 * @throws OciError `SOURCE_INVALID` no tar; KernelError
 */
export async function openArchive(path: string, options: AccessOptions = {}): Promise<FileSet | null> {
  const given = await openRegular(path);
  if (given === null) return null;
  let file = given;
  try {
    file = await uncompressed(given, path, options);
    const entries = await indexTar(file, path);
    const opened = file;
    return {
      open: async (name) => openEntry(opened, entries, name, path),
      close: () => opened.close(),
    };
  } catch (error) {
    await file.close();
    throw error;
  }
}

function openEntry(
  file: FileHandle,
  entries: ReadonlyMap<string, ArchiveEntry>,
  name: string,
  archive: string,
): FileContent | null {
  let entry = entries.get(archivePath(name));
  for (let links = 0; entry?.kind === "link" && links < MAX_LINKS; links++) entry = entries.get(entry.target);
  if (entry === undefined) return null;
  if (entry.kind !== "file") {
    throw new OciError("SOURCE_INVALID", `${archive}: '${name}' is no file`, { details: { path: archive, name } });
  }
  const { offset, size } = entry;
  return { size, read: (options) => readRange(file, offset, size, options), close: async () => undefined };
}

/** The file itself when it is not compressed; else closes it. */
async function uncompressed(file: FileHandle, path: string, { signal }: AccessOptions): Promise<FileHandle> {
  const start = Buffer.alloc(4);
  const { bytesRead } = await file.read(start, 0, start.length, 0);
  const compression = sniffCompression(start.subarray(0, bytesRead));
  if (compression === "none") return file;
  const target = await openUnnamed();
  try {
    for await (const piece of decompress(
      readRange(file, 0, Number.MAX_SAFE_INTEGER, { signal, reuse: true }),
      compression,
    )) {
      await target.writeFile(piece).catch((error: Error) => {
        error.message += ` '${temporaryDirectory()}'`;
        throw Object.assign(error, { path: temporaryDirectory() });
      });
    }
    await file.close();
    return target;
  } catch (cause) {
    await target.close();
    if (!(cause instanceof CompressionError)) throw cause;
    throw new OciError("SOURCE_INVALID", `${path}: ${cause.message}`, {
      details: { path, offset: cause.offset },
      hint: "the archive is damaged; make it again",
      cause,
    });
  }
}

/** A new file that is gone when it is closed. */
async function openUnnamed(): Promise<FileHandle> {
  const path = join(temporaryDirectory(), `composefs-archive-${process.pid}-${randomBytes(8).toString("hex")}`);
  const file = await open(path, "wx+", 0o600);
  await unlink(path);
  return file;
}
