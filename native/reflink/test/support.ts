import { createHash } from "node:crypto";
import { closeSync, constants, mkdtempSync, openSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach } from "vitest";
import { DIGEST_BYTES, type HashName, ObjectStore, type StoreOutcome, verityDigest } from "../src/index.ts";

const cleanups: (() => void)[] = [];

afterEach(() => {
  for (const cleanup of cleanups.splice(0).reverse()) cleanup();
});

/** A fresh directory that the end of the test removes. */
export function temporaryDirectory(): string {
  const path = mkdtempSync(join(tmpdir(), "reflink-"));
  cleanups.push(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

/** A descriptor that the end of the test closes. */
export function open(path: string, flags: number = constants.O_RDONLY): number {
  return closeAtEnd(openSync(path, flags));
}

/** Hands `fd` back; the end of the test closes it. */
export function closeAtEnd(fd: number): number {
  cleanups.push(() => closeSync(fd));
  return fd;
}

/** Number of descriptors this process has open. */
export function openDescriptors(): number {
  return readdirSync("/proc/self/fd").length;
}

/** Bytes whose value at offset i is i mod 251, as in the recorded digests. */
export function pattern(size: number): Buffer {
  const bytes = Buffer.alloc(size);
  for (let i = 0; i < Math.min(size, 251); i++) bytes[i] = i;
  for (let filled = 251; filled < size; filled *= 2) bytes.copyWithin(filled, 0, filled);
  return bytes;
}

/** Relative paths of all files beneath `objects`, sorted. */
export function listObjects(objects: string): string[] {
  return readdirSync(objects, { recursive: true, withFileTypes: true })
    .filter((item) => !item.isDirectory())
    .map((item) => join(item.parentPath, item.name).slice(objects.length + 1))
    .sort();
}

/** Name in `objects/` of a content. */
export function objectName(content: Uint8Array, hash: HashName = "sha256"): string {
  const id = Buffer.from(verityDigest(content, hash)).toString("hex");
  return `${id.slice(0, 2)}/${id.slice(2)}`;
}

/** An object store in a temporary directory, and a directory of sources beside it. */
export interface StoreFixture {
  readonly store: ObjectStore;
  readonly objects: string;
  readonly sources: string;
  readonly dirFd: number;
  /** Writes a source file and returns its row. */
  add(name: string, content: Uint8Array): { path: Buffer; size: number };
}

/** Makes a {@link StoreFixture}. */
export function storeFixture(
  options: { hash?: HashName; verity?: boolean; hardlink?: boolean; copy?: boolean } = {},
): StoreFixture {
  const objects = temporaryDirectory();
  const sources = temporaryDirectory();
  const dirFd = open(sources);
  const store = new ObjectStore({ objectsFd: open(objects), hash: "sha256", verity: false, ...options });
  return {
    store,
    objects,
    sources,
    dirFd,
    add(name, content) {
      writeFileSync(join(sources, name), content);
      return { path: Buffer.from(name), size: content.length };
    },
  };
}

/** What an outcome is, in a word: its method, `inline`, or the step it failed at. */
export function kind(outcome: StoreOutcome | undefined): string {
  if (outcome === undefined) return "none";
  if ("failure" in outcome) return outcome.failure.step;
  return "inline" in outcome ? "inline" : outcome.method;
}

/** Content of an object. */
export function readObject(objects: string, id: string): Buffer {
  return readFileSync(join(objects, id.slice(0, 2), id.slice(2)));
}

/** The kernel's documentation in a few lines of node:crypto (repository.md §3). */
export function treeDigest(content: Uint8Array, hash: HashName): Buffer {
  const digest = (data: Uint8Array): Buffer => createHash(hash).update(data).digest();
  let level: Uint8Array = content;
  let root: Uint8Array = new Uint8Array(DIGEST_BYTES[hash]);
  while (level.length > 0) {
    const blocks: Buffer[] = [];
    for (let at = 0; at < level.length; at += 4096) {
      const block = Buffer.alloc(4096);
      block.set(level.subarray(at, at + 4096));
      blocks.push(digest(block));
    }
    level = Buffer.concat(blocks);
    root = level;
    if (blocks.length === 1) break;
  }
  const descriptor = Buffer.alloc(256);
  descriptor.set([1, hash === "sha256" ? 1 : 2, 12]);
  descriptor.writeBigUInt64LE(BigInt(content.length), 8);
  descriptor.set(root, 16);
  return digest(descriptor);
}
