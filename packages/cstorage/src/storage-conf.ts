import { parse, TomlError } from "smol-toml";
import { CstorageError } from "./errors.ts";
import { asObject, optionalObject, optionalString, optionalStrings } from "./json-shape.ts";

/** What a reader needs of a `storage.conf`; containers-storage.md §1.1. Paths are as written, not expanded. */
export interface StorageConf {
  readonly driver: string | null;
  readonly graphRoot: string | null;
  readonly runRoot: string | null;
  readonly imageStore: string | null;
  readonly rootlessStoragePath: string | null;
  readonly additionalImageStores: readonly string[];
}

/**
 * Parses the TOML text of a `storage.conf`; other keys are ignored.
 *
 * @param file name for messages
 * @throws CstorageError `STORE_CORRUPT` not TOML, or a key of the wrong type
 */
export function parseStorageConf(text: string, file: string): StorageConf {
  let value: unknown;
  try {
    value = parse(text);
  } catch (cause) {
    if (!(cause instanceof TomlError)) throw cause;
    const { line, column } = cause;
    // Its message goes on for lines, with a picture of the place.
    const [problem] = cause.message.split("\n");
    throw new CstorageError("STORE_CORRUPT", `${file}: line ${line}, column ${column}: ${problem}`, {
      details: { file, line, column },
      hint: "correct the file, or name another in CONTAINERS_STORAGE_CONF",
    });
  }
  const root = asObject(value, { file, position: "" });
  const place = { file, position: "storage" };
  const storage = optionalObject(root, "storage", { file, position: "" });
  const options = optionalObject(storage, "options", place);
  return {
    driver: optionalString(storage, "driver", place),
    graphRoot: optionalString(storage, "graphroot", place),
    runRoot: optionalString(storage, "runroot", place),
    imageStore: optionalString(storage, "imagestore", place),
    rootlessStoragePath: optionalString(storage, "rootless_storage_path", place),
    additionalImageStores: optionalStrings(options, "additionalimagestores", {
      file,
      position: "storage.options",
    }),
  };
}
