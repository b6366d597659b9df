import { closeSync } from "node:fs";
import type { Mount, Repository } from "@composefs/core";
import { mountOf } from "@composefs/core/repository";
import type { LayerAccess, Storage, StoreImage, StoreLayer, StoreSearch } from "@composefs/cstorage";
import { accessLayers, canBypassFilePermissions, DIRECT_ACCESS, discoverStores } from "@composefs/cstorage/stores";
import pLimit from "p-limit";
import { type OciDigest, parseDigest } from "../digest.ts";
import { OciError } from "../errors.ts";
import { parseConfig } from "../image/config.ts";
import type { StoreVerification } from "../layer/store-layer.ts";
import type { ProgressListener } from "../progress.ts";
import type { Platform } from "../source/blob-source.ts";
import { platformRank, platformText } from "../source/platform.ts";
import type { ImageSource, SourceLayer } from "./image-source.ts";

/** Settings of a pull from a containers-storage. */
export interface StoreSourceOptions {
  /** Where to look for podman's storage; by default where podman would. */
  readonly store?: StoreSearch | undefined;
  /** Default `crc`. */
  readonly verify?: StoreVerification | undefined;
  /** Link files that cannot be cloned, so that podman's file and the object are one inode; default false. */
  readonly hardlink?: boolean | undefined;
  /** Refuse rather than copy, before anything is written; default false. */
  readonly zeroCopy?: boolean | undefined;
  /** Longest wait for podman's locks in milliseconds. */
  readonly lockTimeoutMs?: number | undefined;
  /** The image must be for this platform; default any. */
  readonly platform?: Platform | undefined;
  readonly onProgress?: ProgressListener | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** How the layers of a pull are read. */
interface Reading {
  /** Settled before the first is read. */
  access: LayerAccess;
  /**
   * One layer at a time, each beginning while the last files of the one before are still being stored: files are stored no
   * faster when several layers take turns, and this way the image's tree can follow.
   */
  readonly turns: ReturnType<typeof pLimit>;
}

/**
 * Finds an image in a containers-storage and hands it to `use`; the store is closed when that settles.
 *
 * @param reference what stands after `containers-storage:`
 * @throws CstorageError `STORE_NOT_FOUND`, `STORE_IMAGE_NOT_FOUND`, `REF_AMBIGUOUS`, and others; OciError
 *   `ZERO_COPY_IMPOSSIBLE`
 * @see containers-storage.md §7.1
 */
export async function pullFromStore<Result>(
  repository: Repository,
  reference: string,
  options: StoreSourceOptions,
  use: (source: ImageSource) => Promise<Result>,
): Promise<Result> {
  const { signal, lockTimeoutMs, onProgress } = options;
  const storage = await discoverStores({ ...options.store, reference });
  const reading: Reading = { access: DIRECT_ACCESS, turns: pLimit(1) };
  try {
    for (const text of storage.warnings) onProgress?.({ type: "note", text });
    const image = await storage.find(reference, { signal, lockTimeoutMs });
    // The link would need rights that come with these.
    const hardlink = options.hardlink && canBypassFilePermissions();
    return await use(await openSource(repository, storage, image, reading, { ...options, hardlink }));
  } finally {
    await reading.access.close();
    await storage.close();
  }
}

async function openSource(
  repository: Repository,
  storage: Storage,
  image: StoreImage,
  reading: Reading,
  options: StoreSourceOptions,
): Promise<ImageSource> {
  const locks = { signal: options.signal, lockTimeoutMs: options.lockTimeoutMs };
  const manifest = await image.manifest(locks);
  const config = await image.config(locks);
  if (options.platform !== undefined) checkPlatform(config, options.platform);
  const layers = new Map<SourceLayer, StoreLayer>();
  for (const layer of await image.layers(locks)) layers.set(sourceLayer(repository, layer, reading, options), layer);
  return {
    manifest,
    config,
    layers: [...layers.keys()],
    inOrder: true,
    prepare: async (missing) => {
      const wanted = missing.map((layer) => layers.get(layer) as StoreLayer);
      reading.access = await accessLayers(storage, wanted, locks);
      if (!options.zeroCopy) return;
      for (const layer of wanted) await checkZeroCopy(repository, reading.access.of(layer), options);
    },
  };
}

/** A store has one image for a name. @throws OciError `SOURCE_NOT_FOUND` */
function checkPlatform(config: Uint8Array, wanted: Platform): void {
  const found = parseConfig(config);
  if (platformRank(wanted, found) !== null) return;
  const there = platformText(found);
  throw new OciError("SOURCE_NOT_FOUND", `no image for the platform ${platformText(wanted)}; there is: ${there}`, {
    details: { platform: platformText(wanted), available: [there] },
    hint: `let podman pull the other one, as by \`podman pull --platform ${platformText(wanted)}\``,
  });
}

function sourceLayer(
  repository: Repository,
  layer: StoreLayer,
  reading: Reading,
  options: StoreSourceOptions,
): SourceLayer {
  const diffId: OciDigest = parseDigest(layer.diffId);
  const { verify, hardlink, lockTimeoutMs } = options;
  return {
    diffId,
    bytes: layer.uncompressedSize,
    store: async (run) => {
      const { importStoreLayer } = await import("../layer/store-layer.ts");
      const copy = !options.zeroCopy;
      const inTurn = (read: () => Promise<void>): Promise<void> => reading.turns(read);
      const how = { ...run, verify, hardlink, copy, lockTimeoutMs, inTurn };
      return importStoreLayer(repository, reading.access.of(layer), how);
    },
  };
}

/** Tries to share one file of the layer; layers of one image may lie on several file systems. */
async function checkZeroCopy(repository: Repository, layer: StoreLayer, options: StoreSourceOptions): Promise<void> {
  const { openFirstFile } = await import("@composefs/cstorage");
  const fd = await openFirstFile(layer, { signal: options.signal, lockTimeoutMs: options.lockTimeoutMs });
  if (fd === null) return;
  try {
    const reflink = repository.objects.probe(fd, "reflink");
    if (reflink === null) return;
    const hardlink = options.hardlink ? repository.objects.probe(fd, "hardlink") : null;
    if (options.hardlink && hardlink === null) return;
    const from = mountOf(fd);
    const to = repository.objects.mount();
    const tried = options.hardlink ? "neither clone nor link" : "not clone";
    throw new OciError(
      "ZERO_COPY_IMPOSSIBLE",
      `cannot share files without copying: the kernel can ${tried} from ${name(from)} to ${name(to)} (${reflink.code})`,
      {
        details: { layer: layer.diffId, source: from, repository: to, reflink: reflink.code, hardlink: hardlink?.code },
        hint: hintFor(from, to, options),
        cause: reflink,
      },
    );
  } finally {
    closeSync(fd);
  }
}

function name(mount: Mount | null): string {
  return mount === null ? "an unknown file system" : `${mount.type} at ${mount.mountPoint}`;
}

function hintFor(from: Mount | null, to: Mount | null, options: StoreSourceOptions): string {
  const copy = "leave --zero-copy out to copy the files";
  if (from?.mountPoint !== to?.mountPoint) return `put the repository on the file system of the storage, or ${copy}`;
  return options.hardlink || !canBypassFilePermissions()
    ? copy
    : `use --hardlink as well to link the files, or ${copy}`;
}
