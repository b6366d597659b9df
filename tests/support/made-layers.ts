import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import type { MadeLayer } from "./layout-builder.ts";
import { runBytes } from "./run.ts";

/** Settings of {@link tarOf}. */
export interface TarOptions {
  readonly format?: "gnu" | "posix" | "ustar";
  /** Names in the order that they shall have; default all, sorted. */
  readonly names?: readonly string[];
  /** Entries taken out of the archive afterwards. Links to them stay. */
  readonly without?: readonly string[];
}

/** A tar by GNU tar of what `write` leaves in an empty directory. */
export function tarOf(write: (root: string) => void, options: TarOptions = {}): Buffer {
  const { format = "posix", names, without = [] } = options;
  const root = mkdtempSync(join(tmpdir(), "made-layer-"));
  try {
    write(root);
    // GNU tar leaves attributes out of formats that have none.
    const attributes = format === "posix" ? ["--xattrs", "--xattrs-include=*"] : [];
    const which = names === undefined ? ["--sort=name", "."] : ["--no-recursion", ...names];
    const made = runBytes("tar", [
      `--format=${format}`,
      "--numeric-owner",
      ...attributes,
      "-C",
      root,
      "-cf",
      "-",
      ...which,
    ]);
    return without.length === 0 ? made : runBytes("tar", ["--delete", "-f", "-", ...without], { input: made });
  } finally {
    rmSync(root, { recursive: true });
  }
}

const TAR = "application/vnd.oci.image.layer.v1.tar";

/** The tar itself as a blob. */
export function plain(tar: Buffer): MadeLayer {
  return { tar, blob: tar, mediaType: TAR };
}

/** One member of gzip. */
export function gzipped(tar: Buffer): MadeLayer {
  return { tar, blob: gzipSync(tar), mediaType: `${TAR}+gzip` };
}

/** Many members of gzip as `pigz -i` and eStargz have them, which end anywhere in the tar; one is empty. */
export function gzipMembers(tar: Buffer): MadeLayer {
  const members = [...pieces(tar, 5_000).map((piece) => gzipSync(piece)), gzipSync("")];
  return { tar, blob: Buffer.concat(members), mediaType: `${TAR}+gzip` };
}

/**
 * Frames of several levels, with and without checksum, and skippable ones between and after them, as zstd:chunked has
 * them. None comes first: then skopeo 1.9 takes the blob for one that is not compressed.
 */
export function zstdFrames(tar: Buffer): MadeLayer {
  const frames = pieces(tar, 7_000).flatMap((piece, index) => [
    runBytes("zstd", ["-q", "-c", `-${1 + (index % 3) * 9}`, index % 2 === 0 ? "--check" : "--no-check"], {
      input: piece,
    }),
    ...(index % 4 === 1 ? [skippable(Buffer.from("between"))] : []),
  ]);
  const blob = Buffer.concat([...frames, skippable(tar.subarray(0, 900)), skippable(FOOTER)]);
  return { tar, blob, mediaType: `${TAR}+zstd` };
}

/** Where zstd:chunked has its table of contents, which nobody reads here. */
const FOOTER = Buffer.concat([Buffer.alloc(56), Buffer.from("GNUlInUx")]);

function skippable(content: Buffer): Buffer {
  const head = Buffer.alloc(8);
  head.writeUInt32LE(0x184d2a50);
  head.writeUInt32LE(content.length, 4);
  return Buffer.concat([head, content]);
}

function pieces(bytes: Buffer, length: number): Buffer[] {
  const list: Buffer[] = [];
  for (let at = 0; at < bytes.length; at += length) list.push(bytes.subarray(at, at + length));
  return list;
}
