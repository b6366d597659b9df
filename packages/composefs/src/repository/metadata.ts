import type { HashName } from "@composefs/reflink";
import { ComposefsError } from "../errors.ts";
import { algorithmName, parseAlgorithmName } from "../fsverity/algorithm.ts";

/** EROFS format version of images. */
export type ErofsVersion = 0 | 1 | 2;

/** EROFS formats a repository writes: `default` names and prints, `extra` come besides it. */
export interface ErofsFormats {
  readonly default: ErofsVersion;
  readonly extra: readonly ErofsVersion[];
}

/** Formats of a repository for which nobody chose: V1 alone. */
export const DEFAULT_FORMATS: ErofsFormats = { default: 1, extra: [] };

/** What meta.json says (repository.md §1.2). */
export interface Metadata {
  readonly hash: HashName;
  readonly erofs: ErofsFormats;
  /** Read-only-compatible features this package does not know: the repository may be read, not written. */
  readonly unknownReadOnlyFeatures: readonly string[];
}

/** Repository format this package reads and writes. */
const FORMAT_VERSION = 1;
const V1_EROFS = "v1_erofs";

/** Bytes of meta.json for a new repository, equal to the reference's. */
export function encodeMetadata(hash: HashName, erofs: ErofsFormats): Uint8Array {
  const extra = [...erofs.extra].sort();
  const json = {
    version: FORMAT_VERSION,
    algorithm: algorithmName(hash),
    features: {
      compatible: [],
      "read-only-compatible": erofs.default === 1 ? [V1_EROFS] : [],
      incompatible: [],
    },
    erofs_formats: { default: erofs.default, ...(extra.length > 0 ? { extra } : {}) },
  };
  return Buffer.from(`${JSON.stringify(json, null, 2)}\n`);
}

/**
 * Parses meta.json.
 *
 * @param path where it lies, for messages
 * @throws ComposefsError `REPO_METADATA_INVALID` malformed; `REPO_UNSUPPORTED` a newer format, another algorithm, or
 *   incompatible features that are unknown
 */
export function parseMetadata(bytes: Uint8Array, path: string): Metadata {
  const invalid = (what: string, cause?: unknown): ComposefsError => invalidMetadata(path, what, cause);
  let json: unknown;
  try {
    json = JSON.parse(Buffer.from(bytes).toString("utf8"));
  } catch (cause) {
    throw invalid(`not JSON: ${(cause as Error).message}`, cause);
  }
  if (!isObject(json)) throw invalid("an object is expected");
  const { version, algorithm } = json;
  if (!isUint(version)) throw invalid("'version' is not a number");
  if (version > FORMAT_VERSION) {
    throw new ComposefsError(
      "REPO_UNSUPPORTED",
      `${path}: unsupported repository format version ${version} (supported: up to ${FORMAT_VERSION})`,
      { details: { path, version }, hint: "use a newer version of this tool" },
    );
  }
  if (typeof algorithm !== "string") throw invalid("'algorithm' is not a string");
  const hash = parseAlgorithm(algorithm, path);

  const features = json.features ?? {};
  if (!isObject(features)) throw invalid("'features' is not an object");
  const list = (key: string): string[] => {
    const value = features[key] ?? [];
    if (!Array.isArray(value) || !value.every((item) => typeof item === "string")) {
      throw invalid(`'features.${key}' is not a list of strings`);
    }
    return value;
  };
  list("compatible");
  const incompatible = list("incompatible");
  if (incompatible.length > 0) {
    throw new ComposefsError(
      "REPO_UNSUPPORTED",
      `${path}: repository requires unknown incompatible features: ${incompatible.join(", ")}`,
      { details: { path, features: incompatible }, hint: "use a newer version of this tool" },
    );
  }
  const readOnly = list("read-only-compatible");
  return {
    hash,
    erofs: effectiveFormats(json.erofs_formats, readOnly.includes(V1_EROFS), invalid),
    unknownReadOnlyFeatures: readOnly.filter((feature) => feature !== V1_EROFS),
  };
}

/** Error for a malformed meta.json at `path`. */
export function invalidMetadata(path: string, what: string, cause?: unknown): ComposefsError {
  return new ComposefsError("REPO_METADATA_INVALID", `${path}: ${what}`, {
    details: { path },
    hint: "restore meta.json from a backup, or write it anew with `cfsctl init --reset-metadata`",
    ...(cause === undefined ? {} : { cause }),
  });
}

function parseAlgorithm(name: string, path: string): HashName {
  try {
    return parseAlgorithmName(name);
  } catch (cause) {
    const { code, message, details } = cause as ComposefsError;
    const hint = "use a newer version of this tool, or restore meta.json from a backup";
    throw new ComposefsError(code, `${path}: ${message}`, { details: { ...details, path }, hint, cause });
  }
}

// An absent field, and exactly {"default":2}, leave the word to the flag (repository.md §1.2).
function effectiveFormats(value: unknown, v1Flag: boolean, invalid: (what: string) => ComposefsError): ErofsFormats {
  const fallback: ErofsFormats = { default: v1Flag ? 1 : 2, extra: [] };
  if (value === undefined || value === null) return fallback;
  if (!isObject(value)) throw invalid("'erofs_formats' is not an object");
  const version = (item: unknown): ErofsVersion => {
    if (item === 0 || item === 1 || item === 2) return item;
    throw invalid(`EROFS format ${JSON.stringify(item)}, expected one of: 0, 1, 2`);
  };
  const extra = value.extra ?? [];
  if (!Array.isArray(extra)) throw invalid("'erofs_formats.extra' is not a list");
  const formats: ErofsFormats = { default: version(value.default), extra: extra.map(version).sort() };
  return formats.default === 2 && formats.extra.length === 0 ? fallback : formats;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isUint(value: unknown): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
}
