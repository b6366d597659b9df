import { statSync } from "node:fs";
import { setImmediate as nextTurn } from "node:timers/promises";
import { type HashName, verityDigest } from "@composefs/reflink";
import { type ObjectId, objectIdFromBytes, objectIds, objectPath } from "../fsverity/object-id.ts";
import { isSplitstream, parseSplitstream } from "../splitstream/reader.ts";
import { type BytePath, bytePath, onDisk, shownPath, typeAt } from "./byte-path.ts";
import { type CategoryLinks, entryOfText, type NamedLink } from "./category-links.ts";
import { DigestIndex } from "./digests-in-bytes.ts";
import { hasCode } from "./directory.ts";
import { type Finding, type FindingKind, finding, messageOf } from "./finding.ts";
import type { Category } from "./names.ts";
import { idOfLinkText, type StoredObjects } from "./object-files.ts";
import { readRaw } from "./raw-file.ts";

/** Digests, raw one after the other, of the objects that an EROFS image refers to. @throws when it is none */
export type ImageReader = (bytes: Uint8Array, hash: HashName) => Buffer;

/** What marking needs of a repository. */
export interface MarkContext {
  readonly repositoryFd: number;
  readonly hash: HashName;
  readonly readImage: ImageReader;
  readonly signal?: AbortSignal | undefined;
}

/** A name that holds things alive, and the one that holds it; a root has no holder. */
export interface Holder {
  /** Path of a ref or entry, or of an object that has no entry. */
  readonly name: string;
  /** Named reference by which `by` refers to it. */
  readonly via?: string;
  readonly by: Holder | null;
}

/** What has to stay. */
export interface Marks {
  /** Live objects, each with the shortest chain of names that was found to it. */
  readonly live: ReadonlyMap<ObjectId, Holder>;
  /** Dangling names that stay all the same, since they tell of objects that are there. */
  readonly keptNames: ReadonlySet<BytePath>;
  /** Something that cannot be read may refer to any object: none may go. */
  readonly keepAll: boolean;
  readonly problems: readonly Finding[];
}

/** An entry to start from besides the refs. */
export interface ExtraRoot {
  readonly category: Category;
  readonly entry: BytePath;
}

/** Entry of `streams/` that a ref depends on, given the ref's name beneath `streams/refs/`; null for none. */
export type DependsOn = (ref: string) => string | null;

const STREAM_REFS = "streams/refs/";

type Kind = "stream" | "image" | "unknown";

interface Visit {
  readonly kind: Kind;
  readonly id: ObjectId;
  /** What to call it. */
  readonly path: BytePath;
  readonly holder: Holder;
}

const EROFS_MAGIC = 0xe0f5e1e2;
const EROFS_MAGIC_OFFSET = 1024;
const HEAD_BYTES = EROFS_MAGIC_OFFSET + 4;

/**
 * Finds what the refs of a repository and `extra` keep alive (repository.md §5). What a root refers to that cannot be
 * parsed is looked up by the digests in its bytes, so that nothing it may need is lost; each such root is a problem.
 *
 * @param dependsOn a ref that depends on an entry is no root unless something else keeps the entry, or anything is damaged
 * @throws node:fs errors when names cannot be read, ComposefsError never
 */
export async function markLive(
  context: MarkContext,
  categories: Readonly<Record<Category, CategoryLinks>>,
  objects: StoredObjects,
  extra: readonly ExtraRoot[] = [],
  dependsOn: DependsOn = () => null,
): Promise<Marks> {
  const marking = new Marking(context, categories, objects);
  for (const ref of categories.images.refs) marking.startAtRef("images", ref);
  let waiting: { readonly ref: NamedLink; readonly entry: string }[] = [];
  for (const ref of categories.streams.refs) {
    const entry = dependsOn(shownPath(ref.path).slice(STREAM_REFS.length));
    if (entry === null) marking.startAtRef("streams", ref);
    else waiting.push({ ref, entry });
  }
  for (const { category, entry } of extra) marking.startAtEntry(category, entry, null, null);
  for (;;) {
    await marking.run();
    const before = waiting.length;
    waiting = waiting.filter(({ ref, entry }) => {
      const isKept = marking.problems.length > 0 || marking.keepsStream(entry);
      if (isKept) marking.startAtRef("streams", ref);
      return !isKept;
    });
    if (waiting.length === before) return marking;
  }
}

class Marking implements Marks {
  readonly live = new Map<ObjectId, Holder>();
  readonly keptNames = new Set<BytePath>();
  readonly problems: Finding[] = [];
  keepAll = false;
  readonly #context: MarkContext;
  readonly #entries = new Map<BytePath, BytePath>();
  readonly #streamEntries = new Map<ObjectId, BytePath>();
  readonly #queue: Visit[] = [];
  #next = 0;
  readonly #visited = new Set<string>();
  readonly #reported = new Set<BytePath>();
  readonly #stored: () => Iterable<ObjectId>;
  #index: DigestIndex | null = null;

  constructor(
    context: MarkContext,
    categories: Readonly<Record<Category, CategoryLinks>>,
    { digests, others }: StoredObjects,
  ) {
    this.#context = context;
    this.#stored = function* () {
      yield* objectIds(digests, context.hash);
      for (const { id } of others) if (id !== null) yield id;
    };
    for (const category of ["images", "streams"] as const) {
      for (const { path, text } of categories[category].entries) {
        this.#entries.set(path, text);
        const id = idOfLinkText(text, context.hash);
        if (category === "streams" && id !== null && !this.#streamEntries.has(id)) this.#streamEntries.set(id, path);
      }
      for (const { path, type } of categories[category].entryStrays) {
        this.#problem("entry-not-symlink", path, type);
      }
      for (const { path, type } of categories[category].refStrays) {
        this.#problem("unexpected-file-type", path, type);
        if (type === "RegularFile") this.#salvageFile(path, { name: shownPath(path), by: null });
      }
    }
  }

  startAtRef(category: Category, { path, text }: NamedLink): void {
    const entry = entryOfText(text);
    if (entry === null) return; // as the reference: a ref to `..` names nothing
    this.startAtEntry(category, entry, { name: shownPath(path), by: null }, { path, text });
  }

  startAtEntry(category: Category, entry: BytePath, by: Holder | null, ref: NamedLink | null): void {
    const path = `${category}/${entry}`;
    const holder: Holder = { name: shownPath(path), by };
    const text = this.#entries.get(path);
    const kind = category === "streams" ? "stream" : "image";
    if (text === undefined) {
      const type = typeAt(this.#context.repositoryFd, path);
      if (type === "RegularFile") this.#salvageFile(path, holder);
      if (type !== null) return; // a stray, reported as such
      const told = this.#salvage(Buffer.from(`${ref?.text ?? ""}\n${entry}`, "latin1"), holder);
      if (told && ref !== null) this.keptNames.add(ref.path);
      this.#problem("broken-symlink", ref?.path ?? path, `there is no ${shownPath(path)}`);
      return;
    }
    const id = idOfLinkText(text, this.#context.hash);
    if (id !== null) {
      this.#visit({ kind, id, path, holder });
      return;
    }
    this.#problem(`${kind}-open-failed`, path, `it points to '${shownPath(text)}', which is no object`);
    const told = this.#salvage(Buffer.from(`${text}\n${entry}`, "latin1"), holder);
    if (told) this.keptNames.add(path);
    if (told && ref !== null) this.keptNames.add(ref.path);
    this.#salvageFile(path, holder);
  }

  /** Follows all that was started at and not followed yet. */
  async run(): Promise<void> {
    for (; this.#next < this.#queue.length; this.#next++) {
      this.#context.signal?.throwIfAborted();
      await nextTurn();
      this.#open(this.#queue[this.#next] as Visit);
    }
  }

  keepsStream(entry: string): boolean {
    const text = this.#entries.get(bytePath(`streams/${entry}`));
    const id = text === undefined ? null : idOfLinkText(text, this.#context.hash);
    return id !== null && this.live.has(id);
  }

  #visit(visit: Visit): void {
    this.#keep(visit.id, visit.holder);
    const key = `${visit.kind} ${visit.id}`;
    if (this.#visited.has(key)) return;
    this.#visited.add(key);
    this.#queue.push(visit);
  }

  #open(visit: Visit): void {
    const bytes = this.#content(visit);
    if (bytes === null) return;
    const { hash } = this.#context;
    const measured = objectIdFromBytes(verityDigest(bytes, hash));
    if (measured !== visit.id) {
      if (visit.kind !== "unknown") {
        this.#problem("object-digest-mismatch", `objects/${objectPath(visit.id)}`, `measured ${measured}`);
      }
      this.#salvage(bytes, visit.holder);
    }
    try {
      const stream = visit.kind === "stream" || (visit.kind === "unknown" && isSplitstream(bytes));
      if (stream) this.#followStream(bytes, visit);
      else this.#keepAllOf(this.#context.readImage(bytes, hash), visit.holder);
    } catch (error) {
      if (visit.kind !== "unknown") {
        this.#problem(visit.kind === "stream" ? "stream-open-failed" : "image-invalid", visit.path, messageOf(error));
      }
      this.#salvage(bytes, visit.holder);
    }
  }

  /** The object's bytes; null when it is missing, unreadable, or of no kind that refers to others. */
  #content({ kind, id, path, holder }: Visit): Buffer | null {
    const file = `objects/${objectPath(id)}`;
    try {
      if (kind === "unknown") {
        const head = readRaw(this.#context.repositoryFd, file, HEAD_BYTES);
        if (head === null || !(isSplitstream(head) || isErofs(head))) return null;
      }
      const bytes = readRaw(this.#context.repositoryFd, file);
      if (bytes === null && kind !== "unknown") {
        this.#problem("broken-symlink", path, `object ${id} is missing (from ${holder.by?.name ?? "a root"})`);
      }
      return bytes;
    } catch (error) {
      this.keepAll = true;
      this.#problem(kind === "image" ? "image-read-failed" : "stream-read-failed", path, messageOf(error));
      return null;
    }
  }

  #followStream(bytes: Buffer, { path, holder }: Visit): void {
    const stream = parseSplitstream(bytes, this.#context.hash, shownPath(path));
    this.#keepAllOf(stream.objectDigests, holder);
    for (const [via, id] of stream.namedRefs) {
      const entry = this.#streamEntries.get(id);
      if (entry === undefined) this.#keep(id, { name: `objects/${objectPath(id)}`, via, by: holder });
      else this.#visit({ kind: "stream", id, path: entry, holder: { name: shownPath(entry), via, by: holder } });
    }
  }

  #salvageFile(path: BytePath, holder: Holder): void {
    const { repositoryFd } = this.#context;
    try {
      if (!statSync(onDisk(repositoryFd, path), { throwIfNoEntry: false })?.isFile()) return;
      const bytes = readRaw(repositoryFd, path);
      if (bytes !== null) this.#salvage(bytes, holder);
    } catch (error) {
      if (hasCode(error, "ELOOP")) return; // leads nowhere
      this.keepAll = true;
      this.#problem("stat-failed", path, messageOf(error));
    }
  }

  /** Keeps, and later follows, every object whose digest is in `bytes`. @returns whether there was one */
  #salvage(bytes: Buffer, holder: Holder): boolean {
    this.#index ??= new DigestIndex(new Set(this.#stored()), this.#context.hash);
    const found = this.#index.find(bytes);
    for (const id of found) this.#visit({ kind: "unknown", id, path: bytePath(`objects/${objectPath(id)}`), holder });
    return found.length > 0;
  }

  /** @param digests raw, one after the other */
  #keepAllOf(digests: Buffer, holder: Holder): void {
    for (const id of objectIds(digests, this.#context.hash)) this.#keep(id, holder);
  }

  #keep(id: ObjectId, holder: Holder): void {
    if (!this.live.has(id)) this.live.set(id, holder);
  }

  #problem(kind: FindingKind, path: BytePath, detail: string): void {
    const key = `${kind} ${path}`;
    if (this.#reported.has(key)) return;
    this.#reported.add(key);
    this.problems.push(finding(kind, path, detail));
  }
}

function isErofs(head: Buffer): boolean {
  return head.length >= HEAD_BYTES && head.readUInt32LE(EROFS_MAGIC_OFFSET) === EROFS_MAGIC;
}
