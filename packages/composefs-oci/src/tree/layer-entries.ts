import type { ByteString, LeafContent, ObjectId, Splitstream, SplitstreamPart, Stat } from "@composefs/core";
import { byteString, createStat } from "@composefs/core/import";
import { type TarEntry, TarParser } from "@composefs/tar-header";
import type { OciDigest } from "../digest.ts";
import { OciError } from "../errors.ts";
import { checkEntry } from "../layer/check-entry.ts";
import { inLayer } from "../layer/layer-errors.ts";
import { INLINE_MAX_BYTES } from "../layer/layer-writer.ts";

/** One entry of a layer's tar as it goes into a tree. */
export interface LayerEntry {
  /** As in the tar, nothing normalised. */
  readonly path: ByteString;
  /** Place of its header in the tar, in bytes. */
  readonly offset: number;
  readonly stat: Stat;
  readonly content: LayerEntryContent;
}

type DescribedEntry = Omit<LayerEntry, "content">;

/** What an entry is; the target of a hard link is a path as in the tar. */
type LayerEntryContent =
  | LeafContent
  | { readonly kind: "directory" }
  | { readonly kind: "link"; readonly target: ByteString };

/**
 * The entries of a layer's splitstream in tar order. Objects are not read: a file above the inline limit is its object
 * and the size its header gives. Nothing yielded holds on to the stream's buffers.
 *
 * @throws OciError `LAYER_UNSUPPORTED` an entry no tree can have, or content inline that belongs in an object or the other
 *   way round; `TAR_MALFORMED` and the other codes of a tar; ComposefsError `STREAM_CORRUPT`
 * @see oci.md §4.2
 */
export function* layerEntries(stream: Splitstream, diffId: OciDigest): Generator<LayerEntry, void, undefined> {
  const reader = new LayerEntryReader(diffId);
  for (const part of stream.parts("passing")) {
    const entries: LayerEntry[] = [];
    try {
      reader.push(part, entries);
    } finally {
      yield* entries;
    }
  }
  reader.finish();
}

/** {@link layerEntries} for parts that come one by one. Of no use after an error. */
export class LayerEntryReader {
  readonly #diffId: OciDigest;
  readonly #parser = new TarParser();
  readonly #describe = entryDescriber();
  /** A file whose content is still to come, and what there is of it. */
  #file: DescribedEntry | null = null;
  #size = 0;
  #pieces: Uint8Array[] = [];

  constructor(diffId: OciDigest) {
    this.#diffId = diffId;
  }

  /**
   * Takes the next part, whose bytes may change afterwards, and adds to `entries` those that are complete with it.
   *
   * @throws as above; the entries before the one at fault are added
   */
  push(part: SplitstreamPart, entries: LayerEntry[]): void {
    try {
      if ("object" in part) entries.push(this.#takeObject(part.object));
      else this.#takeInline(part.inline, entries);
    } catch (error) {
      throw inLayer(error, this.#diffId);
    }
  }

  /** There are no more parts. @throws OciError `TAR_MALFORMED` the tar is cut off */
  finish(): void {
    try {
      this.#parser.finish();
    } catch (error) {
      throw inLayer(error, this.#diffId);
    }
  }

  #takeInline(bytes: Uint8Array, entries: LayerEntry[]): void {
    for (const event of this.#parser.push(bytes)) {
      const entry =
        event.type === "entry"
          ? this.#takeHeader(event.entry)
          : event.type === "data"
            ? this.#takeData(event.bytes, event.remaining)
            : null;
      if (entry !== null) entries.push(entry);
    }
  }

  #takeObject(id: ObjectId): LayerEntry {
    const file = this.#file;
    const size = this.#size;
    if (file === null || size <= INLINE_MAX_BYTES || this.#parser.remaining !== size) {
      throw misplaced(this.#diffId, this.#parser.offset, `object ${id} stands where no file of its size begins`);
    }
    this.#parser.skip(size);
    this.#file = null;
    return withContent(file, { kind: "external", id, size: BigInt(size) });
  }

  #takeHeader(entry: TarEntry): LayerEntry | null {
    checkEntry(entry, this.#diffId);
    if (!entry.isFile || entry.size === 0) return withContent(this.#describe(entry), contentOf(entry));
    this.#file = this.#describe(entry);
    this.#size = entry.size;
    return null;
  }

  #takeData(bytes: Uint8Array, remaining: number): LayerEntry | null {
    const file = this.#file;
    if (file === null) return null;
    if (this.#size > INLINE_MAX_BYTES) {
      throw misplaced(this.#diffId, file.offset, `a file of ${this.#size} bytes is inline, expected an object`);
    }
    this.#pieces.push(new Uint8Array(bytes));
    if (remaining > 0) return null;
    const content: LeafContent = { kind: "inline", bytes: Buffer.concat(this.#pieces) };
    this.#file = null;
    this.#pieces = [];
    return withContent(file, content);
  }
}

/** Makes what is known of an entry before its content, without views of the tar. */
function entryDescriber(): (entry: TarEntry) => DescribedEntry {
  // Neighbours mostly have the same time, and each BigInt takes memory.
  let seconds = 0;
  let mtimeSeconds = 0n;
  return (entry) => {
    const { mode, uid, gid, mtime, xattrs } = entry;
    if (mtime.sec !== seconds) {
      seconds = mtime.sec;
      mtimeSeconds = BigInt(seconds);
    }
    const stat = createStat({
      // Some tars have the file type's bits here too (oci.md §2.3).
      mode: mode % 0o10000,
      uid,
      gid,
      mtimeSeconds,
      mtimeNanoseconds: mtime.nsec,
    });
    if (xattrs.size > 0) {
      stat.xattrs = new Map(Array.from(xattrs, ([name, value]) => [name as ByteString, new Uint8Array(value)]));
    }
    return { path: byteString(entry.path), offset: entry.headerOffset, stat };
  };
}

function withContent({ path, offset, stat }: DescribedEntry, content: LayerEntryContent): LayerEntry {
  return { path, offset, stat, content };
}

/** Content of an entry that is no file, or an empty one; {@link checkEntry} has let only these types pass. */
function contentOf({ type, linkPath, device }: TarEntry): LayerEntryContent {
  const target = linkPath ?? new Uint8Array(0);
  switch (type) {
    case "directory":
    case "fifo":
      return { kind: type };
    case "link":
      return { kind: "link", target: byteString(target) };
    case "symlink":
      return { kind: "symlink", target: new Uint8Array(target) };
    case "char":
    case "block":
      return { kind: type, rdev: deviceNumber(device?.major ?? 0, device?.minor ?? 0) };
    default:
      return { kind: "inline", bytes: new Uint8Array(0) };
  }
}

/**
 * A device as st_rdev gives it (erofs-image.md §1.1): low 8 bits of the minor, 12 of the major, the rest of the minor,
 * and beyond 32 bits, where no image can hold it, the rest of the major.
 */
function deviceNumber(major: number, minor: number): bigint {
  const [lowMinor, lowMajor] = [minor % 0x100, major % 0x1000];
  return (
    BigInt(lowMinor) +
    BigInt(lowMajor) * 0x100n +
    BigInt(minor - lowMinor) * 0x1000n +
    BigInt(major - lowMajor) * 0x1_0000_0000n
  );
}

function misplaced(diffId: OciDigest, offset: number, what: string): OciError {
  return new OciError("LAYER_UNSUPPORTED", `layer ${diffId}: at byte ${offset} of the tar ${what}`, {
    details: { layer: diffId, offset },
    hint: "the layer's splitstream was not made by an import; import the layer again",
  });
}
