import { OciError } from "../errors.ts";

/** Names that an error lists. */
const SHOWN_NAMES = 10;

/** A file or directory that a reference names is not there. */
export function noSuchPath(reference: string, path: string): OciError {
  return new OciError("SOURCE_NOT_FOUND", `${reference}: there is no ${path}`, {
    details: { source: reference, path },
    hint: "check the path; what follows its colon is a tag",
  });
}

/** A manifest or blob that ought to be there is not. */
export function noSuchBlob(what: string): OciError {
  return new OciError("SOURCE_NOT_FOUND", `the source has no ${what}`, {
    details: { missing: what },
    hint: "the copy is incomplete; make it again",
  });
}

/** A tag or name that is not there, with some of those that are. */
export function noSuchName(reference: string, name: string, names: readonly string[], hint: string): OciError {
  const more = names.length > SHOWN_NAMES ? ", …" : "";
  const there = names.length === 0 ? "nothing in it has a name" : names.slice(0, SHOWN_NAMES).join(", ") + more;
  return new OciError("SOURCE_NOT_FOUND", `${reference}: no image is called '${name}'; there is: ${there}`, {
    details: { source: reference, name, available: names.slice(0, SHOWN_NAMES) },
    hint,
  });
}

/** Something that is not laid out as it has to be. */
export function malformed(reference: string, problem: string, hint: string, cause?: unknown): OciError {
  return new OciError("SOURCE_INVALID", `${reference}: ${problem}`, { details: { source: reference }, hint, cause });
}
