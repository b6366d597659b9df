import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { writeBigLayer } from "./test-support.mjs";

const FILES = 20_000;
const SHARES = [0.6, 0.3, 0.1];
const TAR = ["--sort=name", "--owner=0", "--group=0", "--numeric-owner", "--mtime=@1700000000", "--format=pax"];

/**
 * An OCI layout of the image of the tests, three layers compressed by gzip, made below `dir` unless it is there.
 *
 * @param text files become hexadecimal digits, half as many bytes' worth, which gzip halves; else they do not compress
 * @returns path of the layout
 */
export function ociImage(dir, text) {
  const layout = join(dir, text ? "layout-text" : "layout-noise");
  if (existsSync(layout)) return layout;
  process.stderr.write(`making ${layout}, ${FILES} files\n`);
  const work = mkdtempSync(join(dir, "making-"));
  const blobs = join(work, "layout/blobs/sha256");
  mkdirSync(blobs, { recursive: true });
  const layers = SHARES.map((share, layer) => makeLayer(work, blobs, layer, Math.round(FILES * share), text));
  const config = {
    architecture: "amd64",
    os: "linux",
    rootfs: { type: "layers", diff_ids: layers.map((l) => l.diffId) },
  };
  const manifest = {
    schemaVersion: 2,
    mediaType: "application/vnd.oci.image.manifest.v1+json",
    config: put(blobs, "application/vnd.oci.image.config.v1+json", config),
    layers: layers.map(({ blob }) => blob),
  };
  const named = { "org.opencontainers.image.ref.name": "latest" };
  const index = { schemaVersion: 2, manifests: [{ ...put(blobs, manifest.mediaType, manifest), annotations: named }] };
  writeFileSync(join(work, "layout/index.json"), JSON.stringify(index));
  writeFileSync(join(work, "layout/oci-layout"), '{"imageLayoutVersion":"1.0.0"}');
  renameSync(join(work, "layout"), layout);
  rmSync(work, { recursive: true });
  return layout;
}

function makeLayer(work, blobs, layer, count, text) {
  const tree = join(work, "tree");
  writeBigLayer(tree, layer, count);
  if (text) toHex(tree);
  const tar = join(work, "layer.tar");
  run("tar", ["-cf", tar, ...TAR, "-C", tree, "."]);
  const diffId = digestOfFile(tar);
  run("gzip", ["-n", tar]);
  const digest = digestOfFile(`${tar}.gz`);
  const blob = {
    mediaType: "application/vnd.oci.image.layer.v1.tar+gzip",
    digest,
    size: statSync(`${tar}.gz`).size,
  };
  renameSync(`${tar}.gz`, join(blobs, digest.slice("sha256:".length)));
  rmSync(tree, { recursive: true });
  return { diffId, blob };
}

function toHex(tree) {
  for (const entry of readdirSync(tree, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const path = join(entry.parentPath, entry.name);
    const bytes = readFileSync(path);
    writeFileSync(path, bytes.subarray(0, Math.ceil(bytes.length / 2)).toString("hex"));
  }
}

function put(blobs, mediaType, document) {
  const bytes = Buffer.from(JSON.stringify(document));
  const hex = createHash("sha256").update(bytes).digest("hex");
  writeFileSync(join(blobs, hex), bytes);
  return { mediaType, digest: `sha256:${hex}`, size: bytes.length };
}

function digestOfFile(path) {
  const hash = createHash("sha256");
  const buffer = Buffer.alloc(2 ** 20);
  const fd = openSync(path);
  for (let length = readSync(fd, buffer); length > 0; length = readSync(fd, buffer))
    hash.update(buffer.subarray(0, length));
  closeSync(fd);
  return `sha256:${hash.digest("hex")}`;
}

function run(command, args) {
  const { status, error } = spawnSync(command, args, { stdio: ["ignore", "ignore", "inherit"] });
  if (error !== undefined) throw error;
  if (status !== 0) throw new Error(`${command}: status ${status}`);
}
