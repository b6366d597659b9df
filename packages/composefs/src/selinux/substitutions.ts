import { type ByteString, byteString } from "../tree/node.ts";
import { invalidPolicy, policyLines } from "./policy-lines.ts";

/** Paths that are labelled as others are: alias to original. */
export type Substitutions = ReadonlyMap<ByteString, ByteString>;

/**
 * Parses a `file_contexts.subs` file: lines `ALIAS ORIGINAL`.
 *
 * @param path names the file in errors
 * @throws ComposefsError `SELINUX_POLICY_INVALID`
 * @see oci.md §6.1
 */
export function parseSubstitutions(bytes: Uint8Array, path: string): Substitutions {
  const found = new Map<ByteString, ByteString>();
  for (const { number, words } of policyLines(bytes, path)) {
    const [alias, original, ...more] = words;
    if (alias === undefined || original === undefined || more.length > 0) {
      throw invalidPolicy(path, number, `expected two paths, found ${words.length} words`);
    }
    found.set(byteString(Buffer.from(alias)), byteString(Buffer.from(original)));
  }
  return found;
}
