import type { HashName } from "@composefs/reflink";
import { ComposefsError } from "../errors.ts";
import { isObjectId, type ObjectId } from "../fsverity/object-id.ts";
import type { ErofsVersion } from "../repository/metadata.ts";

/** What a kernel argument says of the image to boot. */
export interface BootImageArgument {
  readonly version: ErofsVersion;
  readonly hash: HashName;
  readonly id: ObjectId;
  /** Whether the machine may do without fs-verity. */
  readonly insecure: boolean;
}

const DIGEST = "composefs.digest=";
const PLAIN = "composefs=";

/**
 * The kernel argument that names the image to boot: `composefs.digest=v1-sha256-12:ID`, of format 2 `composefs=ID`, with
 * a `?` after the `=` for a machine that may do without fs-verity.
 *
 * @see oci.md §6.3
 */
export function bootImageArgument({ version, hash, id, insecure }: BootImageArgument): string {
  const mark = insecure ? "?" : "";
  return version === 2 ? `${PLAIN}${mark}${id}` : `${DIGEST}${mark}v1-${hash}-12:${id}`;
}

/**
 * The image to boot that a kernel command line names: the first `composefs.digest=` of the given hash, else the first
 * `composefs=`; null when there is neither.
 *
 * @throws ComposefsError `BOOT_ENTRY_INVALID` the argument that counts has no id
 * @see oci.md §6.3
 */
export function findBootImage(commandLine: string, hash: HashName): ObjectId | null {
  const words = splitArguments(commandLine).filter((_, index) => index % 2 === 0);
  const digest = words.find((word) => new RegExp(`^composefs\\.digest=\\??v[12]-${hash}-12:`).test(word));
  const argument = digest ?? words.find((word) => word.startsWith(PLAIN));
  if (argument === undefined) return null;
  const id = argument.slice(digest === undefined ? PLAIN.length : argument.indexOf(":") + 1).replace(/^\?/, "");
  if (isObjectId(id, hash)) return id;
  throw new ComposefsError("BOOT_ENTRY_INVALID", `kernel argument '${shown(argument)}' has no ${hash} id`, {
    details: { argument: argument.slice(0, 300), hash },
    hint: "build the image's boot entry anew",
  });
}

/**
 * A command line with an argument: in the place of the first that has the same name, else at the end. Arguments are
 * separated by white space that is not within double quotes; everything else of the line stays as it is.
 */
export function setArgument(commandLine: string, argument: string): string {
  const equals = argument.indexOf("=");
  const name = equals < 0 ? argument : argument.slice(0, equals + 1);
  const same = (word: string): boolean =>
    equals < 0 ? word === name || word.startsWith(`${name}=`) : word.startsWith(name);
  const parts = splitArguments(commandLine);
  const index = parts.findIndex((part, i) => i % 2 === 0 && same(part));
  return index < 0 ? `${commandLine} ${argument}` : parts.with(index, argument).join("");
}

/** Arguments, and in between the white space that separates them. */
function splitArguments(commandLine: string): string[] {
  const parts = [""];
  let quoted = false;
  for (const char of commandLine) {
    if (char === '"') quoted = !quoted;
    const isSpace = !quoted && /[ \t\n\f\r]/.test(char);
    if (isSpace !== (parts.length % 2 === 0)) parts.push("");
    parts[parts.length - 1] += char;
  }
  return parts;
}

function shown(text: string): string {
  return text.length > 200 ? `${text.slice(0, 200)}…` : text;
}
