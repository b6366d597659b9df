/** A component that is empty, `.` or `..`: the path is not in normal form. */
const NEEDS_WORK = /(?:^|\/)\.{0,2}(?:\/|$)/;

/**
 * The path below a layer's `diff` that a tar name stands for: empty and `.` components dropped, `..` takes the previous
 * component away and does nothing at the top; containers-storage.md §3.4. Empty when nothing is left.
 */
export function entryPath(name: Uint8Array): Uint8Array {
  // One character per byte: names are bytes, and latin1 keeps each of them.
  const text = Buffer.from(name.buffer, name.byteOffset, name.byteLength).toString("latin1");
  if (!NEEDS_WORK.test(text)) return name;
  const kept: string[] = [];
  for (const component of text.split("/")) {
    if (component === "..") kept.pop();
    else if (component !== "" && component !== ".") kept.push(component);
  }
  return Buffer.from(kept.join("/"), "latin1");
}
