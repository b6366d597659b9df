import type { ErofsFormats, ErofsVersion, ObjectId, Repository, XattrMode } from "@composefs/core";
import { ComposefsError } from "@composefs/core/repository";

/**
 * Name of the config stream's reference to an EROFS image; formats 0 and 1 share one (oci.md §3.1).
 *
 * @param boot xattrs that an image to boot kept; absent for one that is not for booting
 */
export function imageKey(version: ErofsVersion, boot?: XattrMode): string {
  const kind = boot === undefined ? "" : ".boot";
  const xattrs = boot === "keep-user-xattrs" ? ".xattrs=keep-user-xattrs" : "";
  return `composefs.image${kind}${version === 2 ? "" : ".v1"}${xattrs}`;
}

/** Names of the references to EROFS images, in the order a config's stream has them. */
export const IMAGE_KEYS: readonly string[] = [imageKey(2), imageKey(1)];

/** EROFS formats an image gets: those of the repository, its default first, or the one asked for. */
export function wantedFormats({ default: main, extra }: ErofsFormats, only?: ErofsVersion): ErofsVersion[] {
  return only === undefined ? [...new Set([main, ...extra])] : [only];
}

/**
 * References to images for a config's stream. Where formats 0 and 1 are both there, the one the repository prefers gets
 * the name (oci.md §11.3).
 *
 * @param boot as in {@link imageKey}
 */
export function imageRefs(
  images: ReadonlyMap<ErofsVersion, ObjectId>,
  formats: ErofsFormats,
  boot?: XattrMode,
): (readonly [key: string, id: ObjectId])[] {
  const byPreference = new Set([...wantedFormats(formats), ...images.keys()]);
  const refs = new Map<string, ObjectId>();
  for (const version of byPreference) {
    const id = images.get(version);
    const key = imageKey(version, boot);
    if (id !== undefined && !refs.has(key)) refs.set(key, id);
  }
  return [imageKey(2, boot), imageKey(1, boot)].flatMap((key) => {
    const id = refs.get(key);
    return id === undefined ? [] : [[key, id] as const];
  });
}

/** Format of an image by its header (erofs-image.md §2.2); null for what is no image of ours. */
export function imageFormat(bytes: Uint8Array): ErofsVersion | null {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length < 16 || view.getUint32(0, true) !== 0xd078629a) return null;
  const version = view.getUint32(12, true);
  return version === 0 || version === 1 || version === 2 ? version : null;
}

/**
 * The images a config's stream names that are there and whole, by format.
 *
 * @param boot as in {@link imageKey}
 */
export async function linkedImages(
  repository: Repository,
  configRefs: ReadonlyMap<string, ObjectId>,
  boot?: XattrMode,
): Promise<Map<ErofsVersion, ObjectId>> {
  const images = new Map<ErofsVersion, ObjectId>();
  for (const key of [imageKey(2, boot), imageKey(1, boot)]) {
    const id = configRefs.get(key);
    const head = id === undefined ? null : await soundHead(repository, id);
    if (id === undefined || head === null) continue;
    const format = imageFormat(head);
    if (format !== null && imageKey(format, boot) === key) images.set(format, id);
  }
  return images;
}

/** First bytes of a sound object; null when it is missing or damaged, so that a pull puts it right. */
export async function soundHead(repository: Repository, id: ObjectId): Promise<Uint8Array | null> {
  try {
    return await repository.objects.readHead(id);
  } catch (error) {
    if (error instanceof ComposefsError && ["OBJECT_NOT_FOUND", "OBJECT_CORRUPT"].includes(error.code)) return null;
    throw error;
  }
}
