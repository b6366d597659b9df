import type { AbortOptions } from "../decode-pieces.ts";
import { SplitfdstreamError } from "../errors.ts";
import { PositionalReader } from "../positional-reader.ts";
import { checkName, shownName } from "./check-name.ts";
import type { BackedFile, SplitDirChunk } from "./split-dir-chunk.ts";

/** A file open for reading; a `FileHandle` of Node is one. */
export interface OpenedFile {
  readonly fd: number;
  close(): Promise<void>;
}

/**
 * Opens a file below a directory. The name is not empty, not absolute and has no `..`, but components may be symbolic
 * links: open it so that it cannot leave the directory (`openat2` with `RESOLVE_BENEATH`). A missing file is an error
 * with the `code` `ENOENT` or `ENOTDIR`.
 */
export type OpenBeneath<Directory> = (directory: Directory, name: Uint8Array) => Promise<OpenedFile>;

/**
 * The stream that chunks stand for, in pieces of any length but 0. Of a file exactly the stated bytes are read, from
 * position 0; even one of which none are wanted must be there.
 *
 * @param directories - by index; handed to `open` as they are
 * @param open - opens the files, which are closed here
 * @throws SplitfdstreamError `DIRFD_INDEX_OUT_OF_RANGE`, `FILENAME_TOO_LONG`, `INVALID_FILENAME`, `FILE_NOT_FOUND`,
 *   `EXTERNAL_TOO_SHORT`, and what the source of the chunks throws; other errors of `open` and of reading as they are;
 *   rejects with `signal.reason`
 * @see containers-storage.md §5.1
 */
export async function* reconstructDir<Directory>(
  chunks: AsyncIterable<SplitDirChunk> | Iterable<SplitDirChunk>,
  directories: readonly Directory[],
  open: OpenBeneath<Directory>,
  options: AbortOptions = {},
): AsyncGenerator<Uint8Array, void, undefined> {
  const { signal } = options;
  const reader = new PositionalReader();
  signal?.throwIfAborted();
  for await (const chunk of chunks) {
    signal?.throwIfAborted();
    if (!("fileBacked" in chunk)) {
      const bytes = "metadata" in chunk ? chunk.metadata : chunk.inlineData;
      if (bytes.length > 0) {
        yield bytes;
      }
      continue;
    }
    const { fileBacked } = chunk;
    const file = await openFile(fileBacked, directories, open);
    try {
      let received = 0;
      for await (const piece of reader.read(file.fd, fileBacked.size)) {
        received += piece.length;
        yield piece;
        signal?.throwIfAborted();
      }
      if (received < fileBacked.size) {
        throw fileError(
          "EXTERNAL_TOO_SHORT",
          fileBacked,
          `expected ${fileBacked.size} bytes of content, got ${received}`,
        );
      }
    } finally {
      await file.close();
    }
  }
}

async function openFile<Directory>(
  file: BackedFile,
  directories: readonly Directory[],
  open: OpenBeneath<Directory>,
): Promise<OpenedFile> {
  checkName(file.name);
  if (file.directory >= directories.length) {
    throw fileError("DIRFD_INDEX_OUT_OF_RANGE", file, `only ${directories.length} directories came along`);
  }
  try {
    return await open(directories[file.directory] as Directory, file.name);
  } catch (cause) {
    const code = (cause as { readonly code?: unknown } | null)?.code;
    if (code === "ENOENT" || code === "ENOTDIR") {
      throw fileError("FILE_NOT_FOUND", file, "no such file", cause);
    }
    throw cause;
  }
}

function fileError(
  code: "DIRFD_INDEX_OUT_OF_RANGE" | "FILE_NOT_FOUND" | "EXTERNAL_TOO_SHORT",
  file: BackedFile,
  what: string,
  cause?: unknown,
): SplitfdstreamError {
  const name = new TextDecoder().decode(file.name);
  return new SplitfdstreamError(code, `file ${shownName(file.name)} of directory ${file.directory}: ${what}`, {
    details: { directory: file.directory, name, size: file.size },
    cause,
  });
}
