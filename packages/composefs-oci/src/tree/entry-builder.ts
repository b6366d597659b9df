import type { ByteString, LeafContent, ObjectId, Stat } from "@composefs/core";
import { byteString, createStat } from "@composefs/core/import";
import type { TarEntry, TarEvent } from "@composefs/tar-header";
import type { OciDigest } from "../digest.ts";
import { OciError } from "../errors.ts";
import { checkEntry } from "../layer/check-entry.ts";
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

/** What an entry is; the target of a hard link is a path as in the tar. */
type LayerEntryContent =
  | LeafContent
  | { readonly kind: "directory" }
  | { readonly kind: "link"; readonly target: ByteString };

type DescribedEntry = Omit<LayerEntry, "content">;

/** An entry whose turn has not come. */
interface WaitingEntry {
  readonly described: DescribedEntry;
  /** Content bytes of a file. */
  readonly size: number;
  /** Null as long as it is not all there. */
  content: LayerEntryContent | null;
}

/**
 * Makes a layer's entries from the events of its tar and the objects of its files. Objects may come later than the events
 * after them; the entries come in tar order all the same. Nothing made holds on to the events' bytes.
 */
export class EntryBuilder {
  readonly #diffId: OciDigest;
  /** Entries from the first one on whose content is not all there. */
  readonly #waiting: WaitingEntry[] = [];
  /** A file whose content is inline and not all there, and what there is of it. */
  #file: WaitingEntry | null = null;
  #pieces: Uint8Array[] = [];
  // Neighbours mostly have the same time, and each BigInt takes memory.
  #seconds = 0;
  #mtimeSeconds = 0n;

  constructor(diffId: OciDigest) {
    this.#diffId = diffId;
  }

  /** Size in bytes of the file that the next object is for; 0 when none is waited for. */
  get objectBytes(): number {
    const size = this.#waiting[0]?.size ?? 0;
    return size > INLINE_MAX_BYTES ? size : 0;
  }

  /**
   * Takes the next event of the tar and adds to `entries` those that are complete with it.
   *
   * @throws OciError `LAYER_UNSUPPORTED` an entry no tree can have, or content inline that belongs in an object;
   *   TarHeaderError
   */
  takeEvent(event: TarEvent, entries: LayerEntry[]): void {
    if (event.type === "entry") this.#takeHeader(event.entry, entries);
    else if (event.type === "data" && this.#file !== null) {
      this.#takeData(this.#file, event.bytes, event.remaining, entries);
    }
  }

  /** Takes the object of the first file that waits for one. */
  takeObject(id: ObjectId, entries: LayerEntry[]): void {
    const file = this.#waiting[0];
    if (file === undefined) return;
    if (file === this.#file) this.#file = null;
    file.content = { kind: "external", id, size: BigInt(file.size) };
    this.#release(entries);
  }

  #takeHeader(entry: TarEntry, entries: LayerEntry[]): void {
    checkEntry(entry, this.#diffId);
    const described = this.#describe(entry);
    const isComplete = !entry.isFile || entry.size === 0;
    if (isComplete && this.#waiting.length === 0) {
      entries.push(withContent(described, contentOf(entry)));
      this.#file = null;
      return;
    }
    const waiting = { described, size: entry.isFile ? entry.size : 0, content: isComplete ? contentOf(entry) : null };
    this.#waiting.push(waiting);
    this.#file = isComplete ? null : waiting;
  }

  #takeData(file: WaitingEntry, bytes: Uint8Array, remaining: number, entries: LayerEntry[]): void {
    if (file.size > INLINE_MAX_BYTES) {
      const what = `a file of ${file.size} bytes is inline, expected an object`;
      throw misplaced(this.#diffId, file.described.offset, what);
    }
    this.#pieces.push(new Uint8Array(bytes));
    if (remaining > 0) return;
    file.content = { kind: "inline", bytes: Buffer.concat(this.#pieces) };
    this.#file = null;
    this.#pieces = [];
    this.#release(entries);
  }

  /** Passes on what waits no more. */
  #release(entries: LayerEntry[]): void {
    for (;;) {
      const first = this.#waiting[0];
      if (first === undefined || first.content === null) return;
      entries.push(withContent(first.described, first.content));
      this.#waiting.shift();
    }
  }

  /** What is known of an entry before its content, without views of the tar. */
  #describe(entry: TarEntry): DescribedEntry {
    const { mode, uid, gid, mtime, xattrs } = entry;
    if (mtime.sec !== this.#seconds) {
      this.#seconds = mtime.sec;
      this.#mtimeSeconds = BigInt(mtime.sec);
    }
    const stat = createStat({
      // Some tars have the file type's bits here too (oci.md §2.3).
      mode: mode % 0o10000,
      uid,
      gid,
      mtimeSeconds: this.#mtimeSeconds,
      mtimeNanoseconds: mtime.nsec,
    });
    if (xattrs.size > 0) {
      stat.xattrs = new Map(Array.from(xattrs, ([name, value]) => [name as ByteString, new Uint8Array(value)]));
    }
    return { path: byteString(entry.path), offset: entry.headerOffset, stat };
  }
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

/** The error for a stream whose parts do not fit its tar. */
export function misplaced(diffId: OciDigest, offset: number, what: string): OciError {
  return new OciError("LAYER_UNSUPPORTED", `layer ${diffId}: at byte ${offset} of the tar ${what}`, {
    details: { layer: diffId, offset },
    hint: "the layer's splitstream was not made by an import; import the layer again",
  });
}
