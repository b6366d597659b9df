import { realpathSync } from "node:fs";

/** Where links cannot be followed to their end, opening the path itself tells the user why. */
const UNRESOLVED = new Set(["ENOENT", "ENOTDIR", "EACCES", "ELOOP"]);

/** `path` with its links resolved, or as it is when that cannot be done. */
export function realPath(path: string): string {
  try {
    return realpathSync(path);
  } catch (error) {
    if (UNRESOLVED.has((error as NodeJS.ErrnoException).code ?? "")) return path;
    throw error;
  }
}
