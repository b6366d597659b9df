const PLAIN = /^[.0-9a-z]+$/;

/** File name below `overlay-images/<image>/` that holds the big data item `key`; containers-storage.md §1.3. */
export function bigDataFileName(key: string): string {
  return PLAIN.test(key) ? key : `=${Buffer.from(key, "utf8").toString("base64")}`;
}
