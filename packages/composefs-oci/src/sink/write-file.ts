import { randomBytes } from "node:crypto";
import { type FileHandle, open, rename, unlink } from "node:fs/promises";
import { dirname, join } from "node:path";

const FILE_MODE = 0o644;

/** Settings of {@link writeFile}. */
export interface WriteFileOptions {
  /** Whether the bytes must be on disk before the file has its name; default true. */
  readonly durable?: boolean | undefined;
}

/**
 * Writes a file that has its name only when it is whole: a temporary one beside it, or in `directory`, then a rename, which
 * replaces what had the name. Whatever fails, the temporary one is gone.
 *
 * @param fill writes the content; returns the path the file is to have, or null to drop it
 * @throws node:fs errors; what `fill` throws
 */
export async function writeFile(
  directory: string,
  fill: (file: FileHandle) => Promise<string | null>,
  { durable = true }: WriteFileOptions = {},
): Promise<void> {
  const temporary = join(directory, `.tmp-${randomBytes(9).toString("hex")}`);
  const file = await open(temporary, "wx", FILE_MODE);
  let renamed = false;
  try {
    const path = await fill(file);
    if (path === null) return;
    if (durable) await file.sync();
    await rename(temporary, path);
    renamed = true;
  } catch (error) {
    throw writing(error, directory);
  } finally {
    await file.close();
    if (!renamed) await unlink(temporary);
  }
}

/** A full disk is told of without saying which. */
function writing(error: unknown, directory: string): unknown {
  const { syscall, path } = error as NodeJS.ErrnoException;
  if ((syscall !== "write" && syscall !== "fsync") || path !== undefined || !(error instanceof Error)) return error;
  error.message += ` '${directory}'`;
  return Object.assign(error, { path: directory });
}

/** Writes all of `bytes` at the end of what was written before. */
export async function writeAll(file: FileHandle, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length; ) at += (await file.write(bytes, at)).bytesWritten;
}

/** Makes the names in a directory permanent. */
export async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path);
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}

/** Replaces a small file. */
export async function replaceFile(path: string, bytes: Uint8Array, options: WriteFileOptions = {}): Promise<void> {
  await writeFile(
    dirname(path),
    async (file) => {
      await writeAll(file, bytes);
      return path;
    },
    options,
  );
}
