import { lstatSync, readdirSync, readlinkSync } from "node:fs";
import { atPath, fdPath, hasCode } from "./directory.ts";

/**
 * A name or path beneath the repository, one character a byte (latin1): any name on disk has one, and it sorts bytewise.
 * {@link shownPath} makes it readable.
 */
export type BytePath = string;

/** What a directory entry is, in the words the reference's reports use. */
export type FileType =
  | "RegularFile"
  | "Directory"
  | "Symlink"
  | "Fifo"
  | "Socket"
  | "CharacterDevice"
  | "BlockDevice"
  | "Unknown";

/** An entry of a directory. */
export interface Item {
  readonly name: BytePath;
  readonly type: FileType;
}

/** The path for `node:fs`, which takes bytes. */
export function onDisk(repositoryFd: number, path: BytePath): Buffer {
  return Buffer.concat([Buffer.from(`${fdPath(repositoryFd)}/`), Buffer.from(path, "latin1")]);
}

/** The path as text for people and reports; bytes that are no UTF-8 become U+FFFD. */
export function shownPath(path: BytePath): string {
  return Buffer.from(path, "latin1").toString("utf8");
}

/** The byte form of a name given as text. */
export function bytePath(text: string): BytePath {
  return Buffer.from(text, "utf8").toString("latin1");
}

/** Entries of a directory, sorted bytewise; null when it is missing or no directory. @throws KernelError */
export function listDirectory(repositoryFd: number, path: BytePath): Item[] | null {
  try {
    const items = readdirSync(onDisk(repositoryFd, path), { withFileTypes: true, encoding: "latin1" });
    return items.map((item) => ({ name: item.name, type: typeOf(item) })).sort((a, b) => compareBytes(a.name, b.name));
  } catch (error) {
    if (hasCode(error, "ENOENT", "ENOTDIR", "ELOOP")) return null;
    throw atPath(error, shownPath(path));
  }
}

/** What is at a path, without following a symlink; null when it is missing. @throws KernelError */
export function typeAt(repositoryFd: number, path: BytePath): FileType | null {
  try {
    const found = lstatSync(onDisk(repositoryFd, path), { throwIfNoEntry: false });
    return found === undefined ? null : typeOf(found);
  } catch (error) {
    throw atPath(error, shownPath(path));
  }
}

/** Text of a symlink, as bytes; null when the path is missing or something else. @throws KernelError */
export function linkText(repositoryFd: number, path: BytePath): BytePath | null {
  try {
    return readlinkSync(onDisk(repositoryFd, path), { encoding: "latin1" });
  } catch (error) {
    if (hasCode(error, "ENOENT", "EINVAL", "ENOTDIR", "ELOOP")) return null;
    throw atPath(error, shownPath(path));
  }
}

/** Bytewise order of byte paths. */
export function compareBytes(a: BytePath, b: BytePath): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

interface Typed {
  isFile(): boolean;
  isDirectory(): boolean;
  isSymbolicLink(): boolean;
  isFIFO(): boolean;
  isSocket(): boolean;
  isCharacterDevice(): boolean;
  isBlockDevice(): boolean;
}

function typeOf(item: Typed): FileType {
  if (item.isFile()) return "RegularFile";
  if (item.isSymbolicLink()) return "Symlink";
  if (item.isDirectory()) return "Directory";
  if (item.isFIFO()) return "Fifo";
  if (item.isSocket()) return "Socket";
  if (item.isCharacterDevice()) return "CharacterDevice";
  return item.isBlockDevice() ? "BlockDevice" : "Unknown";
}
