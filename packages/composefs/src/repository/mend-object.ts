import { renameSync, rmSync } from "node:fs";
import { readFiles } from "@composefs/reflink";
import { type ObjectId, objectPath } from "../fsverity/object-id.ts";
import { atPath, fdPath, randomText, writeFileOnce } from "./directory.ts";

/**
 * Puts the right bytes in the place of an object's, in one step, if it has others: a bit that flipped on the disk, or
 * pages lost with the power. For repositories that do without fs-verity.
 *
 * @param bytes what the object must have
 * @returns whether it was damaged
 * @throws node:fs and kernel errors
 */
export async function mendObject(objectsFd: number, id: ObjectId, bytes: Uint8Array): Promise<boolean> {
  const path = objectPath(id);
  const [found] = await readFiles([objectsFd], [{ path: Buffer.from(path), size: bytes.length }], bytes.length);
  if (found && "inline" in found && Buffer.compare(found.inline, bytes) === 0) return false;
  const temporary = `.tmp-object-${randomText(12)}`;
  try {
    writeFileOnce(objectsFd, temporary, bytes, null);
    renameSync(fdPath(objectsFd, temporary), fdPath(objectsFd, path));
  } catch (error) {
    rmSync(fdPath(objectsFd, temporary), { force: true });
    throw atPath(error, `objects/${path}`);
  }
  return true;
}
