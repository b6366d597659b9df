import { createHash } from "node:crypto";
import { chmodSync, chownSync, linkSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { content } from "./big-tree.ts";
import { run } from "./run.ts";

/** A file of the small image above the inline limit, for tests that damage one. */
export const LARGE_FILE = "data/size-100000";
/** A file of the small image stored inline (at most 64 bytes). */
export const INLINE_FILE = "data/size-63";

const SIZES = [0, 1, 63, 64, 65, 511, 512, 513, 4095, 4096, 4097, 100_000, 262_144, 5_000_000];
const LONG = "n".repeat(255);

/** Writes layer 0, 1 or 2 of the small image into its mounted root directory. Needs root (devices, owners). */
export function writeSmallLayer(root: string, layer: number): void {
  [writeBase, writeChanges, writeRest][layer]?.(root);
}

function writeBase(root: string): void {
  mkdirSync(join(root, "usr/bin"), { recursive: true });
  mkdirSync(join(root, "etc/opaque"), { recursive: true });
  mkdirSync(join(root, "data"));
  for (const size of SIZES) write(root, `data/size-${size}`, size);
  for (const name of ["keep", "replace", "delete"]) write(root, `etc/${name}`, 300);
  for (const name of ["a", "b"]) write(root, `etc/opaque/${name}`, 200);
  write(root, "usr/bin/tool", 70_000);
  chmodSync(join(root, "usr/bin/tool"), 0o4755);
  write(root, "etc/secret", 1_000);
  chmodSync(join(root, "etc/secret"), 0o000);
  write(root, "etc/owned", 1_000);
  chownSync(join(root, "etc/owned"), 1000, 70_000);
  linkSync(join(root, "usr/bin/tool"), join(root, "usr/bin/tool-again"));
  symlinkSync("tool", join(root, "usr/bin/link"));
  symlinkSync("usr/bin", join(root, "bin"));
  symlinkSync("/nowhere/at/all", join(root, "etc/dangling"));
  mkdirSync(join(root, "tmp"));
  chmodSync(join(root, "tmp"), 0o1777);
  run("mknod", [join(root, "etc/null"), "c", "1", "3"]);
  run("mknod", [join(root, "etc/disk"), "b", "7", "300"]);
  run("mkfifo", [join(root, "etc/fifo")]);
  writeOddNames(root);
  setAttributes(join(root, "usr/bin/tool"));
}

/** Names are bytes: UTF-8, not UTF-8, the longest component, and paths that no ustar header holds. */
function writeOddNames(root: string): void {
  const dir = join(root, "names");
  mkdirSync(dir);
  write(root, "names/grüße-日本", 100);
  const raw = (hex: string) => Buffer.concat([Buffer.from(`${dir}/`), Buffer.from(hex, "hex")]);
  writeFileSync(raw("fffe80"), bytes("raw", 100));
  symlinkSync(Buffer.from("c0af", "hex"), raw("6c696e6b2dff"));
  writeFileSync(raw("6e6577200a6c696e65"), bytes("newline", 100));
  write(root, `names/${LONG}`, 100);
  mkdirSync(join(dir, LONG.slice(1), LONG), { recursive: true });
  write(root, `names/${LONG.slice(1)}/${LONG}/deep`, 5_000);
}

function writeChanges(root: string): void {
  rmSync(join(root, "etc/delete"));
  write(root, "etc/replace", 700);
  // Removed and made again: overlayfs marks the new directory opaque.
  rmSync(join(root, "etc/opaque"), { recursive: true });
  mkdirSync(join(root, "etc/opaque"));
  write(root, "etc/opaque/c", 250);
  chmodSync(join(root, "etc/keep"), 0o600);
  for (let index = 0; index < 10; index += 1) write(root, `data/more-${index}`, 10_000 * (index + 1));
}

function writeRest(root: string): void {
  mkdirSync(join(root, "srv"));
  writeFileSync(join(root, "srv/same"), bytes("data/size-262144", 262_144));
  linkSync(join(root, "data/size-513"), join(root, "srv/linked"));
  rmSync(join(root, "data/more-0"));
}

function write(root: string, name: string, size: number): void {
  writeFileSync(join(root, name), bytes(name, size));
}

function bytes(name: string, size: number): Buffer {
  return content(createHash("sha256").update(name).digest(), size);
}

/** Node has no call for extended attributes; Python, which node-gyp needs anyway, has. */
function setAttributes(path: string): void {
  const script = [
    "import os, sys",
    "p = sys.argv[1]",
    "os.setxattr(p, 'user.note', b'\\x00\\xff\\x0a')",
    "os.setxattr(p, 'security.capability', bytes.fromhex('0100000200200000000000000000000000000000'))",
  ].join("\n");
  run("python3", ["-c", script, path]);
}
