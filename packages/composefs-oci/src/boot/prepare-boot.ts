import { dirname, join, resolve } from "node:path";
import {
  type BootContent,
  BootDirectory,
  bootImageArgument,
  makeDirectories,
  type ObjectId,
  type Repository,
} from "@composefs/core";
import { OciError } from "../errors.ts";
import type { ImageOptions } from "../image/ensure-images.ts";
import { finalizeImage } from "../image/finalize-image.ts";
import { openImage } from "../image/image.ts";
import { bootTree } from "../tree/boot-tree.ts";
import { imageLayers } from "../tree/image-tree.ts";
import { planBootFiles } from "./plan-boot-files.ts";

/** Far above any kernel and initramfs, and what a boot partition holds. */
const MAX_FILE_BYTES = 1024 * 1024 * 1024;

/** Settings of {@link prepareBoot}. */
export interface PrepareBootOptions extends ImageOptions {
  /** Where the boot partition is mounted. */
  readonly bootDirectory: string;
  /** Name of the entry in place of the image's own. */
  readonly entryId?: string | undefined;
  /** Kernel arguments to set, besides the one that names the image. */
  readonly commandLine?: readonly string[] | undefined;
}

/**
 * Makes a machine boot an image: makes its image to boot, writes the first of its boot entries with the kernel argument
 * for that, and the files that the entry needs, into the boot directory, and makes the directories of the machine's
 * state, `state/deploy/ID` beside the repository. The entry is written last.
 *
 * @param reference anything `resolveImage` takes
 * @returns the id of the image that is booted
 * @throws as `openImage`, `finalizeImage` and `planBootFiles`; OciError `BOOT_ENTRY_INVALID` the image has no boot entry,
 *   or the entry's name is none; ComposefsError `PATH_INVALID` a file would be written outside of the boot directory;
 *   errors of `node:fs`
 * @see oci.md §6.4, §11.8
 */
export async function prepareBoot(
  repository: Repository,
  reference: string,
  options: PrepareBootOptions,
): Promise<ObjectId> {
  const { bootDirectory, entryId, commandLine = [] } = options;
  if (entryId !== undefined) checkEntryId(entryId);
  const image = await openImage(repository, reference);
  const layers = imageLayers(image);
  const { entries } = await bootTree(repository, layers, options);
  const [entry] = entries;
  if (entry === undefined) {
    throw new OciError("BOOT_ENTRY_INVALID", `image '${reference}' has no boot entry`, {
      details: { reference, manifestDigest: image.manifestDigest },
      hint: "it needs one in /boot/loader/entries, /boot/EFI/Linux or /usr/lib/modules",
    });
  }
  const { manifestDigest, manifestBytes: manifest, configDigest, configBytes: config } = image;
  const subject = image.manifest.subject?.digest ?? null;
  const parts = { kind: "container", manifestDigest, manifest, configDigest, config, layers, subject } as const;
  const { bootImages } = await finalizeImage(repository, parts, { ...options, bootable: true });
  const [main] = bootImages?.wanted ?? [];
  if (main === undefined) throw new RangeError("a repository has a default format");
  const [version, id] = main;
  const read = (content: BootContent): Promise<Uint8Array> => readBootFile(repository, content);
  const plan = await planBootFiles(entry, {
    hash: repository.hash,
    images: [...new Set([id, ...(await linkedBootImages(repository, manifestDigest))])],
    argument: bootImageArgument({ version, hash: repository.hash, id, insecure: !repository.verity }),
    entryId,
    commandLine,
    read,
  });
  for (const directory of ["var", "etc/upper", "etc/work"]) {
    makeDirectories(join(dirname(resolve(repository.path)), "state/deploy", plan.id, directory));
  }
  const directory = new BootDirectory(bootDirectory);
  for (const [path, content] of plan.files) directory.write(path, await read(content));
  return plan.id;
}

/** Files for booting are read whole. */
async function readBootFile(repository: Repository, content: BootContent): Promise<Uint8Array> {
  if (content.kind === "inline") return content.bytes;
  const { id, size } = content;
  if (size <= MAX_FILE_BYTES) return repository.objects.read(id);
  throw new OciError(
    "BOOT_ENTRY_INVALID",
    `a file for booting has ${size} bytes, at most ${MAX_FILE_BYTES} are taken`,
    {
      details: { object: id, sizeBytes: Number(size), limit: MAX_FILE_BYTES },
      hint: "build the image with smaller kernel and initramfs",
    },
  );
}

/** All images to boot of an image, of other formats and xattrs too: a unified kernel image may have been made for any. */
async function linkedBootImages(repository: Repository, manifestDigest: string): Promise<ObjectId[]> {
  const { configRefs } = await openImage(repository, `@${manifestDigest}`);
  return [...configRefs].filter(([key]) => key.startsWith("composefs.image.boot")).map(([, id]) => id);
}

function checkEntryId(entryId: string): void {
  if (/^[^/\s\0]+$/.test(entryId) && entryId !== "." && entryId !== "..") return;
  throw new OciError("BOOT_ENTRY_INVALID", `'${entryId}' cannot be the name of a boot entry`, {
    details: { entryId },
    hint: "give a file name without '/' and white space",
  });
}
