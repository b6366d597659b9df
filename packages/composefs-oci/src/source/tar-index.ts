import type { FileHandle } from "node:fs/promises";
import { BLOCK_SIZE, type TarEntry, TarHeaderError, TarParser } from "@composefs/tar-header";
import { OciError } from "../errors.ts";

/** What an archive has under a path: content in place, or a link to another path. */
export type ArchiveEntry =
  | { readonly kind: "file"; readonly offset: number; readonly size: number }
  | { readonly kind: "link"; readonly target: string }
  | { readonly kind: "other" };

/** Far more than any image has, few enough to be held. */
const MAX_ENTRIES = 100_000;
/** All paths and link targets together. */
const MAX_NAME_BYTES = 16 * 1024 * 1024;
const WINDOW_BYTES = 4096;

/**
 * Lists the entries of a tar by reading its headers alone; the last of several with one path counts.
 *
 * @param name of the archive, for messages
 * @throws OciError `SOURCE_INVALID` no sound tar, or one of absurd size; KernelError
 */
export async function indexTar(file: FileHandle, name: string): Promise<ReadonlyMap<string, ArchiveEntry>> {
  const entries = new Map<string, ArchiveEntry>();
  const parser = new TarParser();
  const block = blockReader(file);
  let nameBytes = 0;
  let zeroBlocks = 0;
  try {
    for (;;) {
      const bytes = await block(parser.offset);
      if (bytes.length === 0) break;
      const found = parser.push(bytes).find((event) => event.type === "entry");
      if (found?.type === "entry") {
        const { entry } = found;
        nameBytes += entry.path.length + (entry.linkPath?.length ?? 0);
        if (entries.size >= MAX_ENTRIES || nameBytes > MAX_NAME_BYTES) throw tooLarge(name);
        entries.set(archivePath(latin(entry.path)), describe(entry, parser.offset));
        parser.skip(parser.remaining);
      }
      const isZero = bytes.length === BLOCK_SIZE && bytes.every((byte) => byte === 0);
      zeroBlocks = isZero ? zeroBlocks + 1 : 0;
      if (zeroBlocks === 2) return entries;
    }
    parser.finish();
  } catch (cause) {
    if (!(cause instanceof TarHeaderError)) throw cause;
    throw new OciError("SOURCE_INVALID", `${name}: ${cause.message}`, {
      details: { ...cause.details, path: name },
      hint: "the file is no sound tar; make the archive again",
      cause,
    });
  }
  return entries;
}

/** A path in an archive without `.`, `..` and doubled or leading slashes. */
export function archivePath(path: string): string {
  const parts: string[] = [];
  for (const part of path.split("/")) {
    if (part === "..") parts.pop();
    else if (part !== "" && part !== ".") parts.push(part);
  }
  return parts.join("/");
}

function describe({ type, isFile, size, path, linkPath }: TarEntry, offset: number): ArchiveEntry {
  if (isFile) return { kind: "file", offset, size };
  if (linkPath === null || (type !== "link" && type !== "symlink")) return { kind: "other" };
  // A hard link names a path of the archive, a symbolic one goes on from where it stands.
  const from = type === "symlink" && linkPath[0] !== 0x2f ? `${latin(path)}/../` : "";
  return { kind: "link", target: archivePath(`${from}${latin(linkPath)}`) };
}

/** Paths of archives that matter are ASCII; as Latin-1 others stay apart. */
function latin(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("latin1");
}

/** Reads from an offset to the end of its block, through a small window; fewer bytes only at the end of the file. */
function blockReader(file: FileHandle): (offset: number) => Promise<Uint8Array> {
  let window: Uint8Array = new Uint8Array();
  let start = 0;
  return async (offset) => {
    const wanted = BLOCK_SIZE - (offset % BLOCK_SIZE);
    if (offset < start || offset + wanted > start + window.length) {
      const buffer = Buffer.allocUnsafeSlow(WINDOW_BYTES);
      let length = 0;
      while (length < wanted) {
        const { bytesRead } = await file.read(buffer, length, WINDOW_BYTES - length, offset + length);
        if (bytesRead === 0) break;
        length += bytesRead;
      }
      window = buffer.subarray(0, length);
      start = offset;
    }
    return window.subarray(offset - start, offset - start + wanted);
  };
}

function tooLarge(name: string): OciError {
  return new OciError("SOURCE_INVALID", `${name} has more than ${MAX_ENTRIES} entries, or too long names`, {
    details: { path: name, limit: MAX_ENTRIES },
    hint: "no archive of an image is like that",
  });
}
