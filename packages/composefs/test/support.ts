import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach } from "vitest";
import { type InitOptions, initRepository, type OpenOptions, Repository } from "../src/index.ts";

const cleanups: (() => void | Promise<void>)[] = [];

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

/** Runs `cleanup` when the test ends. */
export function atEnd(cleanup: () => void | Promise<void>): void {
  cleanups.push(cleanup);
}

/** A fresh directory that the end of the test removes. */
export function temporaryDirectory(): string {
  const path = mkdtempSync(join(tmpdir(), "composefs-"));
  atEnd(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

/** Opens a repository until the end of the test. */
export async function openRepository(path: string, options: OpenOptions = {}): Promise<Repository> {
  const repository = await Repository.open(path, options);
  atEnd(() => repository.close());
  return repository;
}

/** A fresh insecure repository, open. */
export async function newRepository(options: InitOptions = {}): Promise<Repository> {
  const path = join(temporaryDirectory(), "repo");
  initRepository(path, { insecure: true, hash: "sha256", ...options });
  return openRepository(path);
}

/** Number of descriptors this process has open. */
export function openDescriptors(): number {
  return readdirSync("/proc/self/fd").length;
}

/** Code of the error that `action` throws or rejects with; "none" when it does neither. */
export async function codeOf(action: () => unknown): Promise<string> {
  try {
    await action();
    return "none";
  } catch (error) {
    return (error as { code?: string }).code ?? String(error);
  }
}

/** All pieces of a stream in one. */
export async function collect(source: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const all: Uint8Array[] = [];
  for await (const piece of source) all.push(piece);
  return Buffer.concat(all);
}
