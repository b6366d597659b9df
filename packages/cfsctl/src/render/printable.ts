/**
 * Text with control characters written as `\xNN`, so that a file's or an image's name cannot play with the terminal;
 * and as `\u{NNNN}` the characters that end a line or turn the direction of writing, which could make one name look like
 * another.
 */
export function printable(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what this is about
  return text.replace(/[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g, (char) => {
    const hex = char.charCodeAt(0).toString(16);
    return hex.length <= 2 ? `\\x${hex.padStart(2, "0")}` : `\\u{${hex}}`;
  });
}

/**
 * `value` as JSON for a terminal: `JSON.stringify` escapes control characters only below 32, the others act on terminals
 * too.
 */
export function jsonText(value: unknown, indent?: number): string {
  return JSON.stringify(value, null, indent).replace(
    /[\u007f-\u009f]/g,
    (char) => `\\u00${char.charCodeAt(0).toString(16)}`,
  );
}
