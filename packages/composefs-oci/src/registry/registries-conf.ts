import { parse, TomlError } from "smol-toml";
import { type Alias, parseAliases } from "./aliases.ts";
import { configInvalid } from "./config-file.ts";

/** When a mirror is asked. */
type PullFromMirror = "all" | "digest-only" | "tag-only";

/** Another place that has the images of a registry, or some of them. */
interface Mirror {
  /** `host[:port][/path]` that stands for the entry's prefix. */
  readonly location: string;
  readonly insecure: boolean;
  readonly pullFromMirror: PullFromMirror;
}

/** A `[[registry]]` table; containers-registries.conf(5). */
export interface RegistryEntry {
  /** Beginning of the image names it is about, or `*.domain`. */
  readonly prefix: string;
  /** What replaces the prefix; null where names with a wildcard stay as they are. */
  readonly location: string | null;
  /** Whether plain HTTP, and TLS certificates that nobody vouches for, will do. */
  readonly insecure: boolean;
  readonly blocked: boolean;
  readonly mirrors: readonly Mirror[];
  /** File the table stands in, for messages. */
  readonly file: string;
}

/** What a `registries.conf` says, as far as it counts here. */
export interface RegistriesConf {
  readonly registries: readonly RegistryEntry[];
  /** By short name. */
  readonly aliases: ReadonlyMap<string, Alias>;
}

type Table = Readonly<Record<string, unknown>>;

/**
 * Parses the TOML text of a `registries.conf` of version 2. Search registries are not looked at, see `resolveShortName`.
 *
 * @throws OciError `REGISTRY_CONFIG_INVALID` not TOML, version 1, or a key of the wrong type or value
 */
export function parseRegistriesConf(text: string, file: string): RegistriesConf {
  const root = parseToml(text, file);
  if (root.registries !== undefined) {
    throw configInvalid(
      file,
      "it is in the old format (version 1); write [[registry]] tables in place of [registries]",
    );
  }
  const registries = tables(root, "registry", file).map((table) => parseEntry(table, file));
  return { registries, aliases: parseAliases(root.aliases, file) };
}

function parseEntry(table: Table, file: string): RegistryEntry {
  const location = place(table, "location", file);
  const prefix = place(table, "prefix", file) ?? location;
  if (prefix === null) throw configInvalid(file, "a [[registry]] has neither prefix nor location");
  if (location === null && !prefix.startsWith("*.")) {
    throw configInvalid(file, `registry ${prefix}: only a prefix *.domain goes without a location`);
  }
  const byDigestOnly = flag(table, "mirror-by-digest-only", file);
  return {
    prefix,
    location,
    insecure: flag(table, "insecure", file),
    blocked: flag(table, "blocked", file),
    mirrors: tables(table, "mirror", file).map((mirror) => parseMirror(mirror, prefix, byDigestOnly, file)),
    file,
  };
}

function parseMirror(table: Table, prefix: string, byDigestOnly: boolean, file: string): Mirror {
  const location = place(table, "location", file);
  if (location === null) throw configInvalid(file, `registry ${prefix}: a mirror has no location`);
  const when = text(table, "pull-from-mirror", file);
  if (when !== null && byDigestOnly) {
    throw configInvalid(file, `registry ${prefix}: pull-from-mirror and mirror-by-digest-only exclude each other`);
  }
  if (when !== null && when !== "all" && when !== "digest-only" && when !== "tag-only") {
    throw configInvalid(file, `registry ${prefix}: pull-from-mirror is all, digest-only or tag-only, found '${when}'`);
  }
  const pullFromMirror = byDigestOnly ? "digest-only" : (when ?? "all");
  return { location, insecure: flag(table, "insecure", file), pullFromMirror };
}

function parseToml(source: string, file: string): Table {
  try {
    return parse(source);
  } catch (cause) {
    if (!(cause instanceof TomlError)) throw cause;
    // Its message goes on for lines, with a picture of the place.
    const [problem] = cause.message.split("\n");
    throw configInvalid(file, `line ${cause.line}, column ${cause.column}: ${problem}`, cause);
  }
}

/** A `host[:port][/path]`, or null. */
function place(table: Table, key: string, file: string): string | null {
  const value = text(table, key, file);
  if (value === null) return null;
  if (/^https?:\/\//.test(value)) throw configInvalid(file, `${key} '${value}': write it without http:// or https://`);
  return value.replace(/\/+$/, "");
}

function text(table: Table, key: string, file: string): string | null {
  const value = table[key];
  if (value === undefined || value === "") return null;
  if (typeof value !== "string") throw configInvalid(file, `${key}: expected a string`);
  return value;
}

function flag(table: Table, key: string, file: string): boolean {
  const value = table[key];
  if (value === undefined) return false;
  if (typeof value !== "boolean") throw configInvalid(file, `${key}: expected true or false`);
  return value;
}

function tables(parent: Table, key: string, file: string): readonly Table[] {
  const value = parent[key];
  if (value === undefined) return [];
  const isTable = (item: unknown): item is Table => typeof item === "object" && item !== null && !Array.isArray(item);
  if (!Array.isArray(value) || !value.every(isTable)) throw configInvalid(file, `${key}: expected [[${key}]] tables`);
  return value;
}
