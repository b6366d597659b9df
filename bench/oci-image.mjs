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

const BYTES = 400_000_000;

/**
 * An OCI layout of three layers compressed by gzip, made below `dir` unless it is there.
 *
 * @param content of the files: `noise`, the image of the tests, which does not compress; `digits`, hexadecimal ones in place
 *   of its bytes, which gzip halves; `system`, files of this machine's /usr evenly chosen, programs, libraries, documents
 * @returns path of the layout
 */
export function ociImage(dir, content) {
  const layout = join(dir, `layout-${content}`);
  if (existsSync(layout)) return layout;
  process.stderr.write(`making ${layout}\n`);
  const work = mkdtempSync(join(dir, "making-"));
  const blobs = join(work, "layout/blobs/sha256");
  mkdirSync(blobs, { recursive: true });
  const members = content === "system" ? chooseSystemFiles() : null;
  const layers = SHARES.map((share, layer) => {
    const tar = join(work, "layer.tar");
    if (members === null)
      archiveBigLayer(join(work, "tree"), tar, layer, Math.round(FILES * share), content === "digits");
    else archiveSystemFiles(tar, members[layer]);
    return compress(tar, blobs);
  });
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

function archiveBigLayer(tree, tar, layer, count, digits) {
  writeBigLayer(tree, layer, count);
  if (digits) toHex(tree);
  run("tar", ["-cf", tar, ...TAR, "-C", tree, "."]);
  rmSync(tree, { recursive: true });
}

/** Evenly chosen files of /usr, together {@link BYTES} or all there are, and their directories, as names for each layer. */
function chooseSystemFiles() {
  const files = readdirSync("/usr", { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(1))
    .filter((path) => !path.includes("\uFFFD")) // names that are no UTF-8
    .sort()
    .map((path) => ({ path, size: statSync(join("/", path)).size }));
  const total = files.reduce((sum, { size }) => sum + size, 0);
  const layers = SHARES.map(() => new Set());
  const limits = SHARES.map((_, i) => SHARES.slice(0, i + 1).reduce((sum, share) => sum + share, 0));
  let [seen, taken] = [0, 0];
  for (const { path, size } of files) {
    seen += size;
    if (taken + size > (seen / total) * BYTES) continue;
    const names = layers[limits.findIndex((limit) => seen <= limit * total + 1)];
    for (let end = path.indexOf("/"); end !== -1; end = path.indexOf("/", end + 1)) names.add(path.slice(0, end));
    names.add(path);
    taken += size;
  }
  return layers;
}

function archiveSystemFiles(tar, names) {
  const list = `${tar}.names`;
  writeFileSync(list, [...names].join("\0"));
  run("tar", ["-cf", tar, ...TAR, "-C", "/", "--no-recursion", "--null", "--verbatim-files-from", "-T", list]);
  rmSync(list);
}

/** Makes a layer's blob of a tar, which goes. */
function compress(tar, blobs) {
  const diffId = digestOfFile(tar);
  run("gzip", ["-n", tar]);
  const digest = digestOfFile(`${tar}.gz`);
  const blob = {
    mediaType: "application/vnd.oci.image.layer.v1.tar+gzip",
    digest,
    size: statSync(`${tar}.gz`).size,
  };
  renameSync(`${tar}.gz`, join(blobs, digest.slice("sha256:".length)));
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
