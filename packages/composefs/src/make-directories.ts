import { mkdirSync, statSync } from "node:fs";
import { dirname } from "node:path";

/**
 * Makes a directory, and those above it that are missing. Node's own `recursive` never ends where a directory is there and yet
 * takes no new one: in `/proc`, and by its descriptor in one that somebody removed.
 *
 * @param mode of those that are made, as far as the umask lets it
 * @throws errors of node:fs; `EEXIST` something else stands there
 */
export function makeDirectories(path: string, mode = 0o777): void {
  if (makeOne(path, mode)) return;
  makeDirectories(dirname(path), mode);
  if (!makeOne(path, mode)) mkdirSync(path, mode);
}

/** Whether the directory is there now; else the one above is missing. */
function makeOne(path: string, mode: number): boolean {
  try {
    mkdirSync(path, mode);
    return true;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "EEXIST" && statSync(path).isDirectory()) return true;
    if (code === "ENOENT" && dirname(path) !== path) return false;
    throw error;
  }
}
