import type { TarEntry, TarType } from "@composefs/tar-header";
import type { OciDigest } from "../digest.ts";
import { OciError } from "../errors.ts";
import { fileOfLayer } from "./layer-errors.ts";

/** Kinds of entries that stand for a file of a tree. */
const FILE_TYPES: ReadonlySet<TarType> = new Set([
  "regular",
  "continuous",
  "link",
  "symlink",
  "char",
  "block",
  "directory",
  "fifo",
]);

/**
 * Refuses an entry that no file tree can have (oci.md §2.6): of a type that is no file's, or a device without numbers.
 *
 * @throws OciError `LAYER_UNSUPPORTED` with layer, path and offset in the tar
 */
export function checkEntry({ type, device, header, headerOffset, path }: TarEntry, diffId: OciDigest): void {
  const isDevice = type === "char" || type === "block";
  if (FILE_TYPES.has(type) && (!isDevice || device !== null)) return;
  const flag = String.fromCharCode(header.typeflag);
  const what = isDevice ? "a device without numbers" : `an entry of the unsupported type '${flag}'`;
  throw new OciError("LAYER_UNSUPPORTED", `${fileOfLayer(diffId, path)} at byte ${headerOffset} is ${what}`, {
    details: {
      layer: diffId,
      path: Buffer.from(path).toString("utf8"),
      offset: headerOffset,
      typeflag: header.typeflag,
    },
    hint: "the layer's tar can be read, but no image can be made of it",
  });
}
