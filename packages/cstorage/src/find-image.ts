import { CstorageError } from "./errors.ts";
import { digestsOfImage, type ImageRecord } from "./image-records.ts";
import type { ImageReference } from "./image-reference.ts";
import { repositoryCandidates, splitTag } from "./repository-name.ts";
import { suggestNames } from "./suggest-names.ts";

/** The image a reference names, and the index of the store that has it. */
export interface FoundImage {
  readonly image: ImageRecord;
  readonly store: number;
}

const FULL_ID = /^(?:@|(sha256:))?([0-9a-f]{64})$/;
const ID_PREFIX = /^[0-9a-f]{3,63}$/;
const WITH_DIGEST = /^(.*)@(?:([a-z0-9+._-]+:[0-9a-fA-F]+)|([0-9a-f]{3,64}))$/s;

/**
 * Finds the image `reference` names in the image records of `stores`; the first store with a match wins.
 * Steps: containers-storage.md §8.
 *
 * @throws CstorageError `REF_AMBIGUOUS` several images match the same step in one store (`details.candidates`);
 *   `STORE_IMAGE_NOT_FOUND` none does (`details.suggestions`)
 */
export function findImage(stores: readonly (readonly ImageRecord[])[], reference: ImageReference): FoundImage {
  const { text } = reference;
  for (const [store, images] of stores.entries()) {
    for (const step of STEPS) {
      const matches = distinct(step(images, text));
      if (matches.length > 1) throw ambiguous(text, matches);
      const [image] = matches;
      if (image !== undefined) return { image, store };
    }
  }
  throw notFound(stores, text);
}

type Step = (images: readonly ImageRecord[], text: string) => readonly ImageRecord[];

const STEPS: readonly Step[] = [byExactName, byId, byNameAndDigest, byIdPrefix, byNormalisedName, bySuffix];

function byExactName(images: readonly ImageRecord[], text: string): readonly ImageRecord[] {
  return images.filter((image) => image.names.includes(text));
}

function byId(images: readonly ImageRecord[], text: string): readonly ImageRecord[] {
  const [, algorithm, hex] = FULL_ID.exec(text) ?? [];
  if (hex === undefined) return [];
  const matches = images.filter((image) => image.id === hex);
  return matches.length === 0 && algorithm !== undefined ? withDigest(images, text) : matches;
}

function byNameAndDigest(images: readonly ImageRecord[], text: string): readonly ImageRecord[] {
  const [, name, digest, idPrefix] = WITH_DIGEST.exec(text) ?? [];
  if (name === undefined) return [];
  const matches =
    digest === undefined
      ? images.filter((image) => image.id.startsWith(idPrefix as string))
      : withDigest(images, digest);
  if (name === "") return matches;
  const repositories = repositoryCandidates(repositoryOf(name));
  return matches.filter((image) => image.names.some((own) => repositories.includes(repositoryOf(own))));
}

/** An image pulled by digest is called `repository@algorithm:hex`. */
function repositoryOf(name: string): string {
  const at = name.indexOf("@");
  return splitTag(at < 0 ? name : name.slice(0, at)).repository;
}

function byIdPrefix(images: readonly ImageRecord[], text: string): readonly ImageRecord[] {
  return ID_PREFIX.test(text) ? images.filter((image) => image.id.startsWith(text)) : [];
}

function byNormalisedName(images: readonly ImageRecord[], text: string): readonly ImageRecord[] {
  const { repository, tag } = splitTag(text);
  for (const candidate of repositoryCandidates(repository)) {
    const matches = byExactName(images, `${candidate}:${tag ?? "latest"}`);
    if (matches.length > 0) return matches;
  }
  return [];
}

function bySuffix(images: readonly ImageRecord[], text: string): readonly ImageRecord[] {
  const { repository, tag } = splitTag(text);
  const suffix = `/${repository}:${tag ?? "latest"}`;
  return images.filter((image) => image.names.some((name) => name.endsWith(suffix)));
}

function withDigest(images: readonly ImageRecord[], digest: string): readonly ImageRecord[] {
  return images.filter((image) => digestsOfImage(image).includes(digest));
}

function distinct(images: readonly ImageRecord[]): readonly ImageRecord[] {
  return images.length < 2 ? images : [...new Map(images.map((image) => [image.id, image])).values()];
}

function ambiguous(text: string, matches: readonly ImageRecord[]): CstorageError {
  const candidates = matches.map(({ id, names }) => ({ id, names }));
  const listed = candidates.map(({ id, names }) => `${id.slice(0, 12)} (${names.join(", ") || "no name"})`).join("; ");
  return new CstorageError("REF_AMBIGUOUS", `image "${text}": ${matches.length} images match: ${listed}`, {
    details: { reference: text, candidates },
    hint: "give the full name or more digits of the id",
  });
}

function notFound(stores: readonly (readonly ImageRecord[])[], text: string): CstorageError {
  const suggestions = suggestNames(
    stores.flatMap((images) => images.flatMap((image) => image.names)),
    text,
  );
  const plural = stores.length === 1 ? "store" : "stores";
  return new CstorageError("STORE_IMAGE_NOT_FOUND", `image "${text}": not in the ${stores.length} ${plural} searched`, {
    details: { reference: text, suggestions },
    ...(suggestions.length === 0 ? {} : { hint: `did you mean ${suggestions.join(", ")}?` }),
  });
}
