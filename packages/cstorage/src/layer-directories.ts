import { closeSync, readlinkSync } from "node:fs";
import { join } from "node:path";
import { CstorageError } from "./errors.ts";
import { isLinkName, layerIdOfLinkTarget } from "./identifiers.ts";
import { openDirectory, readFileBeneath } from "./open-beneath.ts";
import type { Store } from "./store.ts";

/** The overlay driver of podman stacks no more. */
const MAX_LOWERS = 500;

/**
 * Opens the directories that may hold a layer's files: its own `diff`, then those of its lowers, nearest first.
 * A lower that no store has is left out: it matters only for files that are then reported missing.
 *
 * @returns descriptors the caller closes
 * @throws CstorageError `LAYER_NOT_FOUND` no `diff`; `UNSUPPORTED_ENTRY` a composefs layer; `STORE_CORRUPT` a malformed
 *   `lower` file or link
 */
export function openLayerDirectories(stores: readonly Store[], store: Store, layer: string): number[] {
  refuseComposefs(store, layer);
  const own = openDirectory(store.overlayFd, `${layer}/diff`, join(store.root, "overlay", layer, "diff"));
  if (own === null) {
    throw new CstorageError("LAYER_NOT_FOUND", `layer ${layer}: no directory diff in ${store.root}/overlay/${layer}`, {
      details: { layer, roots: [store.root] },
      hint: "layers of an additional layer store keep their files elsewhere; they cannot be read",
    });
  }
  const dirs = [own];
  try {
    for (const link of readLowers(store, layer)) {
      const fd = openLink([store, ...stores.filter((other) => other !== store)], link);
      if (fd !== null) dirs.push(fd);
    }
    return dirs;
  } catch (error) {
    for (const fd of dirs) closeSync(fd);
    throw error;
  }
}

function refuseComposefs(store: Store, layer: string): void {
  const shown = join(store.root, "overlay", layer, "composefs-data");
  const fd = openDirectory(store.overlayFd, `${layer}/composefs-data`, shown);
  if (fd === null) return;
  closeSync(fd);
  throw new CstorageError("UNSUPPORTED_ENTRY", `layer ${layer}: stored as composefs (${shown})`, {
    details: { layer, path: shown },
    hint: "copy the image out with skopeo, for instance to an oci: directory, and import that",
  });
}

function readLowers(store: Store, layer: string): readonly string[] {
  const shown = join(store.root, "overlay", layer, "lower");
  const text = readFileBeneath(store.overlayFd, `${layer}/lower`, shown)?.toString("latin1") ?? "";
  if (text === "") return [];
  const links = text.split(":").map((part) => (part.startsWith("l/") ? part.slice(2) : ""));
  if (links.length <= MAX_LOWERS && links.every(isLinkName)) return links;
  throw new CstorageError("STORE_CORRUPT", `${shown}: expected at most ${MAX_LOWERS} parts l/<26 characters A-Z 2-7>`, {
    details: { file: shown, layer },
  });
}

function openLink(stores: readonly Store[], link: string): number | null {
  for (const store of stores) {
    const layer = readLink(store, link);
    if (layer === null) continue;
    const fd = openDirectory(store.overlayFd, `${layer}/diff`, join(store.root, "overlay", layer, "diff"));
    if (fd !== null) return fd;
  }
  return null;
}

function readLink(store: Store, link: string): string | null {
  const shown = join(store.root, "overlay/l", link);
  const linksFd = openDirectory(store.overlayFd, "l", join(store.root, "overlay/l"));
  if (linksFd === null) return null;
  let target: string | null;
  try {
    // Node has no readlinkat; the link's name is one checked component, so this path leads nowhere else.
    target = readlinkSync(`/proc/self/fd/${linksFd}/${link}`, "latin1");
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT") return null;
    if (code !== "EINVAL") throw error;
    target = null;
  } finally {
    closeSync(linksFd);
  }
  const layer = target === null ? null : layerIdOfLinkTarget(target);
  if (layer !== null) return layer;
  const found = target ?? "something that is no link";
  throw new CstorageError("STORE_CORRUPT", `${shown}: expected a link to ../<64 hex digits>/diff, found ${found}`, {
    details: { file: shown, target },
  });
}
