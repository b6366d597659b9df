import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";

const made: string[] = [];

/** A new directory with these files; {@link removeDirectories} removes it. */
export function tempDirectory(files: Readonly<Record<string, Uint8Array | string>> = {}): string {
  const path = mkdtempSync(join(tmpdir(), "oci-unit-"));
  made.push(path);
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(dirname(join(path, name)), { recursive: true });
    writeFileSync(join(path, name), content);
  }
  return path;
}

/** Removes all of them. */
export function removeDirectories(): void {
  for (const path of made.splice(0)) rmSync(path, { recursive: true, force: true });
}
