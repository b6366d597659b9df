import { isAbsolute } from "node:path";
import { CstorageError } from "./errors.ts";

/** A store named inside an image reference: `[driver@graphroot+runroot:options]`. */
export interface StoreSpecifier {
  readonly driver: string | null;
  readonly graphRoot: string;
  readonly runRoot: string | null;
  readonly options: readonly string[];
}

/** The text after `containers-storage:`, taken apart; containers-storage.md §8. */
export interface ImageReference {
  readonly store: StoreSpecifier | null;
  /** What names the image, without the store. */
  readonly text: string;
}

/**
 * Parses an image reference. What its text means is only known beside a store: {@link findImage}.
 *
 * @throws CstorageError `REF_INVALID` empty, a trailing `@`, or a malformed `[store]`
 */
export function parseImageReference(input: string): ImageReference {
  const store = input.startsWith("[") ? parseStorePrefix(input) : { specifier: null, rest: input };
  const { rest } = store;
  if (rest === "") throw invalid(input, "expected an image name or id");
  if (rest.endsWith("@")) throw invalid(input, "expected a digest after @");
  return { store: store.specifier, text: rest };
}

function parseStorePrefix(input: string): { specifier: StoreSpecifier; rest: string } {
  const close = input.indexOf("]");
  if (close < 0) throw invalid(input, "expected ] after the store");
  const inner = input.slice(1, close);
  const [, driver, graphRoot, runRoot, options] = /^(?:([^@/]*)@)?([^+:]*)(?:\+([^:]*))?(?::(.*))?$/s.exec(inner) ?? [];
  for (const path of runRoot === undefined ? [graphRoot] : [graphRoot, runRoot]) {
    if (path === undefined || !isAbsolute(path)) {
      throw invalid(input, `expected [driver@graphroot+runroot:options] with absolute paths, found "${inner}"`);
    }
  }
  if (driver === "") throw invalid(input, "expected a driver name before @");
  const specifier = {
    driver: driver ?? null,
    graphRoot: graphRoot as string,
    runRoot: runRoot ?? null,
    options: options === undefined || options === "" ? [] : options.split(","),
  };
  return { specifier, rest: input.slice(close + 1) };
}

function invalid(input: string, problem: string): CstorageError {
  return new CstorageError("REF_INVALID", `image reference "${input}": ${problem}`, { details: { reference: input } });
}
