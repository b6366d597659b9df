import { mkdirSync, statSync } from "node:fs";
import { dirname } from "node:path";

/**
 * Makes a directory, and those above it that are missing. Node's own `recursive` never ends in a place such as `/proc`, where
 * a directory is there and yet takes no new one.
 *
 * @throws errors of node:fs; `EEXIST` something else stands there
 */
export function makeDirectories(path: string): void {
  if (makeOne(path)) return;
  makeDirectories(dirname(path));
  if (!makeOne(path)) mkdirSync(path);
}

/** Whether the directory is there now; else the one above is missing. */
function makeOne(path: string): boolean {
  try {
    mkdirSync(path);
    return true;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "EEXIST" && statSync(path).isDirectory()) return true;
    if (code === "ENOENT" && dirname(path) !== path) return false;
    throw error;
  }
}
