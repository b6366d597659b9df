import type { HashName } from "@composefs/reflink";
import type { Directory } from "../tree/node.ts";
import { LineReader } from "./line-reader.ts";
import { TreeBuilder } from "./tree-builder.ts";

/** How to read a dumpfile. */
export interface ParseDumpfileOptions {
  /** Hash whose digests the text holds. */
  readonly hash: HashName;
}

/**
 * Reads a dumpfile from a stream of chunks, cut anywhere. The order of lines is free as long as parents and the first
 * names of hard links come first.
 *
 * @returns the root
 * @throws ComposefsError `DUMPFILE_INVALID` with `line`, `column` (bytes, both counted from 1), and where one field is
 * at fault `field` and `text`, as details; whatever the source throws
 * @see erofs-image.md §8
 */
export async function parseDumpfile(
  source: AsyncIterable<Uint8Array>,
  options: ParseDumpfileOptions,
): Promise<Directory> {
  const builder = new TreeBuilder(options.hash);
  const reader = new LineReader((line) => builder.add(line));
  for await (const chunk of source) reader.push(chunk);
  reader.finish();
  return builder.finish(reader.lines);
}

/** {@link parseDumpfile} of a dumpfile in memory. @throws ComposefsError `DUMPFILE_INVALID` */
export function parseDumpfileBytes(bytes: Uint8Array, options: ParseDumpfileOptions): Directory {
  const builder = new TreeBuilder(options.hash);
  const reader = new LineReader((line) => builder.add(line));
  reader.push(bytes);
  reader.finish();
  return builder.finish(reader.lines);
}
