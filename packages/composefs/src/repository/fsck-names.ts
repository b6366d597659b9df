import { statSync } from "node:fs";
import { setImmediate as nextTurn } from "node:timers/promises";
import { DIGEST_BYTES, missingDigests } from "@composefs/reflink";
import { type ObjectId, objectIdFromBytes } from "../fsverity/object-id.ts";
import { parseSplitstream } from "../splitstream/reader.ts";
import { type BytePath, compareBytes, onDisk, shownPath } from "./byte-path.ts";
import { readCategory } from "./category-links.ts";
import { messageOf } from "./finding.ts";
import type { FsckContext, FsckTally } from "./fsck-tally.ts";
import type { Category } from "./names.ts";
import { readRaw } from "./raw-file.ts";

/**
 * Checks the entries of a category, what they refer to, and its refs.
 *
 * @param present digests, ascending, of the objects whose files are there
 * @throws node:fs errors when the names cannot be listed
 */
export async function checkNames(
  context: FsckContext,
  tally: FsckTally,
  present: Buffer,
  category: Category,
  signal: AbortSignal | undefined,
): Promise<void> {
  const { entries, entryStrays, refs, refStrays } = readCategory(context.repositoryFd, category);
  const counter = tally[category];
  const strays = new Set(entryStrays.map(({ path }) => path));
  for (const path of [...entries.map((entry) => entry.path), ...strays].sort(compareBytes)) {
    signal?.throwIfAborted();
    await nextTurn();
    counter.checked++;
    if (strays.has(path)) tally.add("entry-not-symlink", path);
    const sound = !strays.has(path) && resolves(context, tally, path);
    const good = sound && (category === "streams" ? checkStream : checkImage)(context, tally, present, path);
    if (!good) counter.bad++;
  }
  const types = new Map(refStrays.map(({ path, type }) => [path, type]));
  for (const path of [...refs.map((ref) => ref.path), ...types.keys()].sort(compareBytes)) {
    const type = types.get(path);
    if (type !== undefined) tally.add("unexpected-file-type", path, type);
    else resolves(context, tally, path);
  }
}

function resolves({ repositoryFd }: FsckContext, tally: FsckTally, path: BytePath): boolean {
  try {
    if (statSync(onDisk(repositoryFd, path), { throwIfNoEntry: false }) !== undefined) return true;
    tally.brokenLinks.push(path);
    tally.add("broken-symlink", path);
  } catch (error) {
    tally.add("stat-failed", path, (error as NodeJS.ErrnoException).code ?? messageOf(error));
  }
  return false;
}

function checkStream(context: FsckContext, tally: FsckTally, present: Buffer, path: BytePath): boolean {
  const name = shownPath(path).slice("streams/".length);
  let stream: ReturnType<typeof parseSplitstream>;
  try {
    stream = parseSplitstream(content(context, path), context.hash, name);
  } catch (error) {
    tally.add("stream-open-failed", path, `Opening stream '${name}': ${messageOf(error)}`);
    return false;
  }
  for (const id of missing(context, present, stream.objectDigests)) {
    tally.add("missing-object-ref", path, id);
    tally.missingObjects++;
  }
  const missingNamed = new Set(missing(context, present, Buffer.from([...stream.namedRefs.values()].join(""), "hex")));
  for (const [ref, id] of stream.namedRefs) {
    if (!missingNamed.has(id)) continue;
    tally.add("missing-named-ref", path, `ref ${ref}: ${id}`);
    tally.missingObjects++;
  }
  return true;
}

function checkImage(context: FsckContext, tally: FsckTally, present: Buffer, path: BytePath): boolean {
  let bytes: Buffer;
  try {
    bytes = content(context, path);
  } catch (error) {
    tally.add("image-open-failed", path, messageOf(error));
    return false;
  }
  let digests: Buffer;
  try {
    digests = context.readImage(bytes, context.hash);
  } catch (error) {
    tally.add("image-invalid", path, messageOf(error));
    return false;
  }
  for (const id of [...new Set(missing(context, present, digests))].sort()) {
    tally.add("image-missing-object", path, id);
    tally.missingObjects++;
  }
  return true;
}

/** Those of some digests, raw one after the other, that are not there. */
function missing({ hash }: FsckContext, present: Buffer, digests: Buffer): ObjectId[] {
  const width = DIGEST_BYTES[hash];
  return Array.from(missingDigests(present, digests, hash), (row) =>
    objectIdFromBytes(digests.subarray(row * width, (row + 1) * width)),
  );
}

function content({ repositoryFd }: FsckContext, path: BytePath): Buffer {
  const bytes = readRaw(repositoryFd, path);
  if (bytes === null) throw new Error("it has just gone");
  return bytes;
}
