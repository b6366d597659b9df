import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { gzipSync } from "node:zlib";
import { crc64 } from "@composefs/reflink";
import { bigDataFileName } from "../src/big-data-name.ts";
import { headerOf } from "./tar-split-builder.ts";

/** `sha256:…` of some bytes. */
export const sha256 = (bytes: Uint8Array | string): string =>
  `sha256:${createHash("sha256").update(bytes).digest("hex")}`;

/** An id of 64 hex digits that starts with `start`. */
export const idOf = (start: string): string => start.padEnd(64, "0");

/** An empty temporary directory; {@link removeTempDirs} removes it. */
export function tempDir(): string {
  const dir = mkdtempSync(join(tmpdir(), "cstorage-unit-"));
  made.push(dir);
  return dir;
}

/** Removes what {@link tempDir} made. */
export function removeTempDirs(): void {
  for (const dir of made.splice(0)) rmSync(dir, { recursive: true, force: true });
}
const made: string[] = [];

/** Number of descriptors this process has open. */
export const openFds = (): number => readdirSync("/proc/self/fd").length;

/** What {@link StoreDir.layer} makes. */
export interface MadeLayer {
  readonly id: string;
  readonly diffId: string;
  readonly tar: Buffer;
}

/** A graph root written by hand, as podman's library lays it out (containers-storage.md §1.2). */
export class StoreDir {
  readonly root: string;
  readonly #layers: object[] = [];
  readonly #images: object[] = [];
  readonly #written = new Map<string, Buffer>();

  constructor(root: string = tempDir()) {
    this.root = root;
    for (const dir of ["overlay/l", "overlay-layers", "overlay-images"])
      mkdirSync(join(root, dir), { recursive: true });
    writeFileSync(join(root, "overlay-layers/layers.lock"), "");
    writeFileSync(join(root, "overlay-images/images.lock"), "");
  }

  /** Writes a file below the root. */
  write(path: string, content: Uint8Array | string): void {
    mkdirSync(dirname(join(this.root, path)), { recursive: true });
    writeFileSync(join(this.root, path), content);
  }

  /** Adds a layer of regular files. Its "tar" has a bare header before each, so only a whole reassembly gives the digest. */
  layer(
    start: string,
    files: Readonly<Record<string, Uint8Array | string>>,
    options: { parent?: string; lowers?: readonly string[]; record?: object; tarSplitRoot?: string } = {},
  ): MadeLayer {
    const id = idOf(start);
    const lines: object[] = [];
    const parts: Buffer[] = [];
    for (const [name, text] of Object.entries(files)) {
      const content = Buffer.from(text);
      this.#writeOnce(`overlay/${id}/diff/${name}`, content);
      const payload = content.length === 0 ? null : Buffer.from(crc64(content)).toString("base64");
      lines.push({ type: 2, payload: headerOf().toString("base64") }, { type: 1, name, size: content.length, payload });
      parts.push(headerOf(), content);
    }
    const tar = Buffer.concat(parts);
    mkdirSync(join(this.root, `overlay/${id}/diff`), { recursive: true });
    this.write(`overlay/${id}/link`, linkOf(start));
    symlinkSync(`../${id}/diff`, join(this.root, "overlay/l", linkOf(start)));
    const { lowers = [] } = options;
    if (lowers.length > 0) this.write(`overlay/${id}/lower`, lowers.map((lower) => `l/${linkOf(lower)}`).join(":"));
    const tarSplit = gzipSync(lines.map((line) => `${JSON.stringify(line)}\n`).join(""));
    writeFileSync(join(options.tarSplitRoot ?? this.root, "overlay-layers", `${id}.tar-split.gz`), tarSplit);
    const parent = options.parent === undefined ? {} : { parent: idOf(options.parent) };
    this.#layers.push({ id, ...parent, "diff-digest": sha256(tar), "diff-size": tar.length, ...options.record });
    this.save();
    return { id, diffId: sha256(tar), tar };
  }

  /** Many names of one file need not write it as often. */
  #writeOnce(path: string, content: Buffer): void {
    const file = join(this.root, path);
    if (this.#written.get(file)?.equals(content)) return;
    this.#written.set(file, content);
    this.write(path, content);
  }

  /** Adds an image with these diff ids. */
  image(
    start: string,
    names: readonly string[],
    layer: string | null,
    diffIds: readonly string[],
    change: { manifest?: Buffer; config?: Buffer; record?: object } = {},
  ): { id: string; manifest: Buffer; config: Buffer } {
    const id = idOf(start);
    const config = Buffer.from(
      JSON.stringify({ architecture: "amd64", rootfs: { type: "layers", diff_ids: diffIds } }),
    );
    const manifest = Buffer.from(JSON.stringify({ schemaVersion: 2, config: { digest: sha256(config) }, layers: [] }));
    this.write(`overlay-images/${id}/manifest`, change.manifest ?? manifest);
    this.write(`overlay-images/${id}/${bigDataFileName(sha256(config))}`, change.config ?? config);
    const digest = sha256(manifest);
    const top = layer === null ? {} : { layer: idOf(layer) };
    this.#images.push({ id, digest, names, ...top, "big-data-digests": { manifest: digest }, ...change.record });
    this.save();
    return { id, manifest, config };
  }

  /** Takes a layer out of the index. */
  forgetLayer(start: string): void {
    const at = this.#layers.findIndex((layer) => (layer as { id: string }).id === idOf(start));
    this.#layers.splice(at, 1);
    this.save();
  }

  save(): void {
    writeFileSync(join(this.root, "overlay-layers/layers.json"), JSON.stringify(this.#layers));
    writeFileSync(join(this.root, "overlay-images/images.json"), JSON.stringify(this.#images));
  }
}

/** The link name of a layer id: letters only, as the id's digits allow. */
export function linkOf(start: string): string {
  const letters = [...start].map((digit) => String.fromCharCode(65 + Number.parseInt(digit, 16))).join("");
  return letters.padEnd(26, "Z");
}
