import { configInvalid } from "./config-file.ts";
import { beginsWithHost, isRepository, parseImageName } from "./reference.ts";

/** What a short name stands for. */
export interface Alias {
  /** `HOST/NAME`, without tag and digest; null where the file takes an alias of an earlier file back. */
  readonly target: string | null;
  /** File it stands in, for messages. */
  readonly file: string;
}

/**
 * Parses the `[aliases]` table of a `registries.conf`: short names and the full ones that they stand for. Neither has a tag
 * or a digest.
 *
 * @throws OciError `REGISTRY_CONFIG_INVALID` a key that is no short name, or a value that is no full one
 * @see containers-registries.conf(5), Short-Name Aliasing
 */
export function parseAliases(table: unknown, file: string): ReadonlyMap<string, Alias> {
  if (table === undefined) return new Map();
  if (typeof table !== "object" || table === null || Array.isArray(table)) {
    throw configInvalid(file, "aliases: expected a table, [aliases]");
  }
  return new Map(
    Object.entries(table).map(([name, target]: [string, unknown]) => {
      if (!isShortName(name)) {
        throw configInvalid(file, `alias '${name}': expected a name without host, tag and digest`);
      }
      if (target !== "" && !(typeof target === "string" && isFullName(target))) {
        throw configInvalid(file, `alias '${name}': expected HOST/NAME without tag and digest, found '${target}'`);
      }
      return [name, { target: target === "" ? null : target, file }];
    }),
  );
}

/** Whether a name has no host in front; one with a tag or a digest is none. */
export function isShortName(name: string): boolean {
  return isRepository(name) && !beginsWithHost(name);
}

function isFullName(name: string): boolean {
  if (!beginsWithHost(name) || /[:@]/.test(name.slice(name.indexOf("/")))) return false;
  try {
    parseImageName(name);
    return true;
  } catch {
    return false;
  }
}
