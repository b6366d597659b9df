import {
  ComposefsError,
  type ObjectId,
  objectPath,
  type Repository,
  type StoreOutcome,
  storeError,
} from "@composefs/core";
import { OciError } from "../errors.ts";

/**
 * Throws the error of the first object of a batch that was not stored; others were cancelled because of it.
 *
 * @throws ComposefsError `OBJECT_CORRUPT`; OciError `ZERO_COPY_IMPOSSIBLE`; KernelError; rejects with `signal.reason`
 */
export function throwFirstFailure(
  source: Repository,
  batch: readonly { readonly id: ObjectId; readonly size: number }[],
  outcomes: readonly StoreOutcome[],
  signal: AbortSignal,
): void {
  const failures = outcomes.flatMap((outcome, i) =>
    "failure" in outcome ? [{ ...(batch[i] as (typeof batch)[number]), failure: outcome.failure }] : [],
  );
  const first = failures.find(({ failure }) => failure.step !== "cancelled") ?? failures[0];
  if (first === undefined) return;
  const { id, size, failure } = first;
  switch (failure.step) {
    case "cancelled":
      signal.throwIfAborted();
      break;
    case "not-regular":
      throw corruptObject(source, id, "it is no regular file");
    case "size":
      throw corruptObject(source, id, `it has ${failure.actualSize} bytes, a moment ago ${size}`);
    case "copy-refused":
      throw new OciError("ZERO_COPY_IMPOSSIBLE", `object ${id} of ${source.path} can be neither cloned nor linked`, {
        details: { id, repository: source.path },
        hint: "leave --zero-copy out to copy the objects",
      });
  }
  throw storeError(failure, `object ${id} of ${source.path}`);
}

/** Error for an object of the source that is not what its name says. */
export function corruptObject(source: Repository, id: ObjectId, what: string): ComposefsError {
  const path = `${source.path}/objects/${objectPath(id)}`;
  return new ComposefsError("OBJECT_CORRUPT", `object ${id} of repository ${source.path}: ${what}`, {
    details: { id, path },
    hint: "remove the object there and import its image again; `cfsctl fsck` looks for more",
  });
}
