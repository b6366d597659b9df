import { mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type HashName, initRepository, Repository } from "@composefs/core";

const open: { path: string; repository: Repository }[] = [];

/** An empty repository that needs no fs-verity; {@link removeRepositories} closes and removes it. */
export async function tempRepository(hash: HashName = "sha256"): Promise<Repository> {
  const path = mkdtempSync(join(tmpdir(), "oci-unit-"));
  initRepository(path, { hash, insecure: true });
  return reopen(path);
}

/** Opens a repository made by {@link tempRepository} once more. */
async function reopen(path: string): Promise<Repository> {
  const repository = await Repository.open(path);
  open.push({ path, repository });
  return repository;
}

/** A repository that this version may read only, because of a feature it does not know. */
export async function readOnlyTwin(repository: Repository): Promise<Repository> {
  const file = join(repository.path, "meta.json");
  const meta = JSON.parse(readFileSync(file, "utf8")) as { features: Record<string, string[]> };
  meta.features["read-only-compatible"]?.push("from_the_future");
  writeFileSync(file, JSON.stringify(meta));
  return reopen(repository.path);
}

/** Closes and removes all temporary repositories. */
export async function removeRepositories(): Promise<void> {
  for (const { path, repository } of open.splice(0)) {
    await repository.close();
    rmSync(path, { recursive: true, force: true });
  }
}

/** Every name beneath `streams/` and the text of its link. */
export function names({ path }: Repository): Record<string, string> {
  return Object.fromEntries(
    files(join(path, "streams")).map((name) => [name, readlinkSync(join(path, "streams", name))]),
  );
}

/** Every name beneath `images/` and the text of its link. */
export function imageNames({ path }: Repository): Record<string, string> {
  const images = join(path, "images");
  return Object.fromEntries(files(images).map((name) => [name, readlinkSync(join(images, name))]));
}

/** Paths of all objects. */
export function objectFiles({ path }: Repository): string[] {
  return files(join(path, "objects"));
}

/** Paths of everything that is no directory, names with their link texts: equal exactly when nothing was written. */
export function state(repository: Repository): unknown {
  return {
    objects: objectFiles(repository),
    names: names(repository),
    images: imageNames(repository),
    top: readdirSync(repository.path).sort(),
  };
}

function files(directory: string): string[] {
  try {
    const found = readdirSync(directory, { recursive: true, withFileTypes: true });
    return found
      .filter((item) => !item.isDirectory())
      .map((item) => join(item.parentPath, item.name).slice(directory.length + 1))
      .sort();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw error;
  }
}
