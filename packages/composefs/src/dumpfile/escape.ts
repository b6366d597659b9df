/** A byte that is not written as it is in PATH, PAYLOAD and CONTENT; latin1 text has one char per byte. */
const SPECIAL = /[^\x21-\x5b\x5d-\x7e]/;
const EACH_SPECIAL = /[^\x21-\x5b\x5d-\x7e]/g;
/** The same for xattr names and values, where `=` is special too. */
const SPECIAL_XATTR = /[^\x21-\x3c\x3e-\x5b\x5d-\x7e]/;
const EACH_SPECIAL_XATTR = /[^\x21-\x3c\x3e-\x5b\x5d-\x7e]/g;

/** What each byte becomes when it cannot stand as it is. */
const ESCAPES: readonly string[] = Array.from({ length: 256 }, (_, byte) => {
  const short = { 9: "\\t", 10: "\\n", 13: "\\r", 92: "\\\\" }[byte];
  return short ?? `\\x${byte.toString(16).padStart(2, "0")}`;
});

const escapeByte = (char: string): string => ESCAPES[char.charCodeAt(0)] ?? "";

/** Part of a path, such as a name: bytes as latin1 text, escaped (erofs-image.md §8.1). */
export function escapeName(bytes: string): string {
  return SPECIAL.test(bytes) ? bytes.replace(EACH_SPECIAL, escapeByte) : bytes;
}

/** A whole PATH, PAYLOAD or CONTENT, where `-` stands for nothing. */
export function escapeField(bytes: string): string {
  if (bytes === "") return "-";
  return bytes === "-" ? "\\x2d" : escapeName(bytes);
}

/** Name or value of an xattr. */
export function escapeXattr(bytes: string): string {
  return SPECIAL_XATTR.test(bytes) ? bytes.replace(EACH_SPECIAL_XATTR, escapeByte) : bytes;
}
