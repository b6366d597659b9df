const STORE_ID = /^[0-9a-f]{64}$/;
const DIGEST = /^(?:sha256:[0-9a-f]{64}|sha384:[0-9a-f]{96}|sha512:[0-9a-f]{128})$/;
const LINK_NAME = /^[A-Z2-7]{26}$/;
const LINK_TARGET = /^\.\.\/([0-9a-f]{64})\/diff$/;

/** Whether `text` is an image or layer id (64 lower-case hex digits) and so safe as a path component. */
export function isStoreId(text: string): boolean {
  return STORE_ID.test(text);
}

/** Whether `text` is a digest this package can check: algorithm sha256, sha384 or sha512 and its hex digits. */
export function isDigest(text: string): boolean {
  return DIGEST.test(text);
}

/** Whether `text` is the name of a link below `overlay/l`. */
export function isLinkName(text: string): boolean {
  return LINK_NAME.test(text);
}

/** The layer id in a link's target `../<id>/diff`, or null when the target has any other form. */
export function layerIdOfLinkTarget(target: string): string | null {
  return LINK_TARGET.exec(target)?.[1] ?? null;
}
