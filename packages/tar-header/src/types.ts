/** Kind of an entry, from its typeflag byte. `other` stands for every byte the format does not know. */
export type TarType =
  | "regular"
  | "link"
  | "symlink"
  | "char"
  | "block"
  | "directory"
  | "fifo"
  | "continuous"
  | "gnu-long-name"
  | "gnu-long-link"
  | "gnu-sparse"
  | "pax-local"
  | "pax-global"
  | "other";

/** `0` and NUL are regular whatever the name ends in; the rest by POSIX and GNU letters. */
const KNOWN: Readonly<Record<string, TarType>> = {
  "\0": "regular",
  "0": "regular",
  "1": "link",
  "2": "symlink",
  "3": "char",
  "4": "block",
  "5": "directory",
  "6": "fifo",
  "7": "continuous",
  L: "gnu-long-name",
  K: "gnu-long-link",
  S: "gnu-sparse",
  x: "pax-local",
  g: "pax-global",
};

const BY_BYTE: readonly TarType[] = Array.from(
  { length: 256 },
  (_, byte) => KNOWN[String.fromCharCode(byte)] ?? "other",
);

/** Kind for a typeflag byte (0 to 255). */
export function typeFromFlag(typeflag: number): TarType {
  return BY_BYTE[typeflag] ?? "other";
}

/** Whether entries of the type are files, whose content may be stored as an object of its own. */
export function isFileType(type: TarType): boolean {
  return type === "regular" || type === "continuous";
}
