import { KernelError, type StoreFailure, type StoreOutcome } from "@composefs/reflink";
import { ComposefsError } from "../errors.ts";
import type { ObjectId } from "../fsverity/object-id.ts";

/**
 * The error for a file or buffer that the object store refused for reasons of its own (space, fs-verity, I/O).
 *
 * @param subject what was being stored, for the message and as `path`
 */
export function storeError(failure: StoreFailure, subject: string): Error {
  const { step, error } = failure;
  if (step === "verity" && error?.code === "ENOTSUP") {
    return new ComposefsError("VERITY_UNSUPPORTED", `${subject}: the repository's file system has no fs-verity`, {
      details: { subject },
      hint: "the repository requires fs-verity: move it back to a file system that has it",
      cause: error,
    });
  }
  if (step === "link" && error?.code === "EISDIR") {
    return new ComposefsError("REPO_CORRUPT", `${subject}: a directory stands in the place of its object`, {
      details: { subject },
      hint: "`cfsctl fsck` names it; remove it and try again",
      cause: error,
    });
  }
  if (error) return new KernelError(-error.errno, error.syscall, subject);
  return new Error(`${subject}: not stored (${step})`);
}

/** Id of a stored buffer. @throws KernelError, ComposefsError `VERITY_UNSUPPORTED` it was not stored */
export function storedId(outcome: StoreOutcome | undefined, subject: string): ObjectId {
  if (outcome && "id" in outcome) return outcome.id as ObjectId;
  if (outcome && "failure" in outcome) throw storeError(outcome.failure, subject);
  throw new Error(`${subject}: not stored`);
}
