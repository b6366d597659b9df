import type { ExportResult } from "@composefs/oci";
import { formatSize } from "../../render/size.ts";

/** Lines after `oci export` and `oci push`. */
export function exportText(result: ExportResult): string {
  const { manifestDigest, storedManifestDigest, referrers, referrersLeftOut } = result;
  const blobs = (count: number, bytes: number): string => `${count} (${formatSize(bytes)})`;
  const lines = [`manifest ${manifestDigest}`, `config   ${result.configDigest}`];
  if (manifestDigest !== storedManifestDigest) lines.push(`replaces ${storedManifestDigest}`);
  lines.push(
    `blobs    ${blobs(result.blobsWritten, result.bytesWritten)} written, ${blobs(result.blobsPresent, result.bytesPresent)} already there`,
  );
  if (referrers.length > 0) lines.push(`referrers ${referrers.length}`);
  if (referrersLeftOut.length > 0) lines.push(`referrers left out ${referrersLeftOut.length}`);
  return `${lines.join("\n")}\n`;
}

/** The same as JSON. */
export function exportJson(result: ExportResult): object {
  return {
    manifest_digest: result.manifestDigest,
    stored_manifest_digest: result.storedManifestDigest,
    original: result.manifestDigest === result.storedManifestDigest,
    config_digest: result.configDigest,
    blobs_written: result.blobsWritten,
    bytes_written: result.bytesWritten,
    blobs_present: result.blobsPresent,
    bytes_present: result.bytesPresent,
    referrers: result.referrers,
    referrers_left_out: result.referrersLeftOut,
  };
}
