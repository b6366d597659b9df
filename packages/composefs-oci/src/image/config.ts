import { type OciDigest, parseDigest } from "../digest.ts";
import { asString, listField, objectField, optionalStringField, parseJsonObject, stringField } from "./json-shape.ts";

/** The parts of an image config that matter here. */
export interface ImageConfig {
  readonly architecture: string;
  readonly os: string;
  /** Variant of the architecture, such as `v7`; null when it does not say. */
  readonly variant: string | null;
  /** When it was built, as written; null when it does not say. */
  readonly created: string | null;
  /** Digests of the uncompressed layers, base first. */
  readonly diffIds: readonly OciDigest[];
}

/** Parses the bytes of an image config. @throws OciError `MANIFEST_INVALID`, `DIGEST_INVALID` */
export function parseConfig(bytes: Uint8Array): ImageConfig {
  const config = parseJsonObject(bytes, "config");
  const rootfs = objectField(config, "rootfs");
  stringField(rootfs, "type");
  return {
    architecture: stringField(config, "architecture"),
    os: stringField(config, "os"),
    variant: optionalStringField(config, "variant") || null,
    created: optionalStringField(config, "created"),
    diffIds: listField(rootfs, "diff_ids", (item, place) => parseDigest(asString(item, place), place)),
  };
}
