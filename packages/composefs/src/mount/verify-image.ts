import { type HashName, measureVerity } from "@composefs/reflink";
import { ComposefsError } from "../errors.ts";
import { type ObjectId, objectIdFromBytes } from "../fsverity/object-id.ts";

/** The image to verify. */
export interface VerifyImageOptions {
  /** The image, open for reading. */
  readonly imageFd: number;
  /** Id it must have. */
  readonly id: ObjectId;
  readonly hash: HashName;
  /** What to call it in errors. */
  readonly name: string;
}

/**
 * Asks the kernel for the fs-verity digest of an image and compares it with the id: what a repository that requires
 * fs-verity wants before a mount, whatever name the image was called by.
 *
 * @throws ComposefsError `VERITY_REQUIRED` fs-verity is not enabled on the image, `VERITY_MISMATCH` it is another one
 */
export function verifyImage(options: VerifyImageOptions): void {
  const { imageFd, id, hash, name } = options;
  const measured = measureVerity(imageFd, hash);
  if (measured === null) {
    throw new ComposefsError("VERITY_REQUIRED", `image ${name}: fs-verity is not enabled on the file`, {
      details: { name, id },
      hint: "the repository requires fs-verity; make the image again, or look with fsck",
    });
  }
  const found = objectIdFromBytes(measured);
  if (found === id) return;
  throw new ComposefsError("VERITY_MISMATCH", `image ${name}: expected the fs-verity digest ${id}, found ${found}`, {
    details: { name, id, found },
    hint: "the image was replaced or damaged: make it again, and look with fsck",
  });
}
