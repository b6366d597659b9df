import { setArgument } from "./kernel-arguments.ts";

/** Keys whose values are files of the image. */
const FILE_KEYS = ["linux", "initrd", "efi"];

/**
 * Paths of files that a boot loader entry names, in order, as they are written.
 *
 * @see oci.md §6.1
 */
export function blsFiles(text: string): string[] {
  return text.split("\n").flatMap((line) => {
    const key = FILE_KEYS.find((name) => valueAfter(line, name) !== undefined);
    return key === undefined ? [] : [valueAfter(line, key) as string];
  });
}

/** An entry whose files are elsewhere: `rename` is given each path. Every line ends with a newline then. */
export function renameBlsFiles(text: string, rename: (path: string) => string): string {
  return mapLines(text, (line) => {
    const key = FILE_KEYS.find((name) => valueAfter(line, name) !== undefined);
    return key === undefined ? line : `${key} ${rename(valueAfter(line, key) as string)}`;
  });
}

/** An entry with a kernel argument set in its first `options` line, or in a new one at the end. */
export function setBlsArgument(text: string, argument: string): string {
  let done = false;
  const changed = mapLines(text, (line) => {
    const value = valueAfter(line, "options");
    if (done || value === undefined) return line;
    done = true;
    return line.slice(0, line.length - value.length) + setArgument(value, argument);
  });
  return done ? changed : `${changed}options ${argument}\n`;
}

function mapLines(text: string, change: (line: string) => string): string {
  const lines = text.split("\n");
  if (lines.at(-1) === "") lines.pop();
  return lines.map((line) => `${change(line)}\n`).join("");
}

/** What stands after a key at the beginning of a line and the white space that follows. */
function valueAfter(line: string, key: string): string | undefined {
  const match = /^([a-z-]+)[ \t\f\r]+/.exec(line);
  return match?.[1] === key ? line.slice(match[0].length) : undefined;
}
