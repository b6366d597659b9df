import { OciError } from "../errors.ts";
import { asObject, asString, optionalListField, parseJsonList, stringField } from "../image/json-shape.ts";
import { malformed, noSuchName } from "./source-errors.ts";

/** Names that an error lists. */
const SHOWN_NAMES = 10;

/** An image in `manifest.json` of an archive by `docker save`: paths of its parts. */
export interface SavedImage {
  readonly config: string;
  readonly names: readonly string[];
  /** Base first. */
  readonly layers: readonly string[];
}

/** Parses `manifest.json`. @throws OciError `MANIFEST_INVALID` */
export function parseSavedImages(bytes: Uint8Array): SavedImage[] {
  return parseJsonList(bytes, "manifest.json", (item, place) => {
    const image = asObject(item, place);
    return {
      config: stringField(image, "Config"),
      names: optionalListField(image, "RepoTags", asString),
      layers: optionalListField(image, "Layers", asString),
    };
  });
}

/**
 * The image that `name` means: `NAME[:TAG]` as docker writes it, or `@N` for the one at a place; without a name the only one.
 *
 * @throws OciError `SOURCE_NOT_FOUND` with the names there are
 */
export function chooseSavedImage(reference: string, images: readonly SavedImage[], name: string | null): SavedImage {
  const [only, ...others] = images;
  if (only === undefined) throw malformed(reference, "its manifest.json lists no image", "the archive is empty");
  if (name === null) {
    if (others.length === 0) return only;
    throw several(reference, images);
  }
  const place = /^@(\d{1,6})$/.exec(name)?.[1];
  const wanted = fullName(name);
  const found =
    place === undefined
      ? images.find(({ names }) => names.some((item) => fullName(item) === wanted))
      : images[Number(place)];
  if (found !== undefined) return found;
  throw noSuchName(reference, name, listed(images), "give one of these after the file's colon");
}

/** A name with what docker adds to it: registry, `library/`, `:latest`. */
function fullName(name: string): string {
  const slash = name.indexOf("/");
  const first = slash < 0 ? "" : name.slice(0, slash);
  const hasHost = first.includes(".") || first.includes(":") || first === "localhost";
  const path =
    hasHost && first !== "docker.io" ? name : withLibrary(first === "docker.io" ? name.slice(slash + 1) : name);
  return path.includes(":", path.lastIndexOf("/") + 1) || path.includes("@") ? path : `${path}:latest`;
}

function withLibrary(name: string): string {
  return name.includes("/") ? `docker.io/${name}` : `docker.io/library/${name}`;
}

function listed(images: readonly SavedImage[]): string[] {
  return images.map(({ names }, i) => names[0] ?? `@${i}`);
}

function several(reference: string, images: readonly SavedImage[]): OciError {
  const names = listed(images).slice(0, SHOWN_NAMES);
  const more = images.length > names.length ? ", …" : "";
  return new OciError("SOURCE_NOT_FOUND", `${reference}: it has several images: ${names.join(", ")}${more}`, {
    details: { source: reference, available: names },
    hint: "give one of these after the file's colon",
  });
}
