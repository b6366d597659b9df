import { lstatSync, renameSync, rmSync, writeFileSync } from "node:fs";

/**
 * Writes an image, so that a file of this name is either as before or complete. What is no regular file, such as a pipe,
 * a device or a link, is written to as it is.
 */
export function writeImageFile(path: string, bytes: Uint8Array): void {
  if (!(lstatSync(path, { throwIfNoEntry: false })?.isFile() ?? true)) {
    writeFileSync(path, bytes);
    return;
  }
  const temporary = `${path}.${process.pid}.tmp`;
  try {
    writeFileSync(temporary, bytes, { flag: "wx" });
    renameSync(temporary, path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") rmSync(temporary, { force: true });
    throw error;
  }
}
