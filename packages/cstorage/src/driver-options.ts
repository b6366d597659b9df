import { isAbsolute } from "node:path";

const IMAGE_STORE_KEY = /^(?:(?:overlay2?)?\.)?(?:additional)?imagestore$/;

/**
 * The additional image stores in a list of driver options (`overlay.imagestore=/a,/b`, `additionalimagestore=/c`);
 * containers-storage.md §1.1. The list may have been cut at its commas: a bare absolute path continues the option before.
 */
export function imageStoresOfOptions(options: readonly string[]): readonly string[] {
  const stores: string[] = [];
  let continues = false;
  for (const option of options) {
    const equals = option.indexOf("=");
    if (equals < 0) {
      if (continues && isAbsolute(option.trim())) stores.push(option.trim());
      continue;
    }
    continues = IMAGE_STORE_KEY.test(option.slice(0, equals).trim().toLowerCase());
    if (continues)
      stores.push(
        ...option
          .slice(equals + 1)
          .split(",")
          .map((path) => path.trim()),
      );
  }
  return stores.filter((path) => path !== "");
}
