import {
  type ByteString,
  createDirectory,
  escapeField,
  type Leaf,
  type Repository,
  writeDumpfile,
} from "@composefs/core";
import type { OciDigest } from "../digest.ts";
import { openLayer } from "../layer/layer-tar.ts";
import type { LayerEntry } from "./entry-builder.ts";
import { absolutePath } from "./entry-path.ts";
import { layerEntries } from "./layer-entries.ts";

/** A tree without anything: entries of a layer are written one by one, so that no link count is above 1. */
const NO_TREE = createDirectory();

/**
 * The entries of a stored layer as dumpfile text, a line per tar entry in tar order: paths as in the tar but for one slash
 * in front, whiteouts as the files they are, every link count 1 (oci.md §5). The text describes a layer, it is no dumpfile
 * that an image could be made of.
 *
 * @throws OciError `LAYER_NOT_FOUND`, `LAYER_UNSUPPORTED`, `TAR_MALFORMED` and other codes of a tar, after the lines before
 *   the entry at fault; ComposefsError of a damaged stream
 */
export async function* layerDumpfile(
  repository: Repository,
  diffId: OciDigest,
): AsyncGenerator<string, void, undefined> {
  const stream = await openLayer(repository, diffId);
  for (const entry of layerEntries(stream, diffId)) yield entryLine(entry);
}

function entryLine({ path, stat, content }: LayerEntry): string {
  const place = absolutePath(path);
  if (content.kind === "link") {
    return `${escapeField(place)} 0 @120000 - - - - 0.0 ${escapeField(absolutePath(content.target))} - -\n`;
  }
  if (content.kind === "directory") {
    // An empty directory has 2 links of its own.
    return writeNode(place, createDirectory(stat)).replace(/^(\S+ 0 \d+) 2 /, "$1 1 ");
  }
  return writeNode(place, { stat, content });
}

function writeNode(path: ByteString, node: Leaf | ReturnType<typeof createDirectory>): string {
  return [...writeDumpfile(NO_TREE, { losses: "write", from: { path, node } })].join("");
}
