import type { Repository } from "@composefs/core";
import { chosenVersion } from "./image-format.ts";
import type { GlobalOptions } from "./options.ts";

/**
 * The EROFS image that an argument means: the argument itself where {@link Repository.resolveImage} takes it, else the id
 * of that of the OCI image which has this tag or digest (cli.md D10).
 *
 * @throws ComposefsError `IMAGE_NOT_FOUND`, `REF_AMBIGUOUS`, `REPO_CORRUPT`; OciError `REF_AMBIGUOUS` and others
 */
export async function resolveAnyImage(repository: Repository, name: string, globals: GlobalOptions): Promise<string> {
  return orOfOci(
    () => {
      repository.resolveImage(name);
      return name;
    },
    async () => {
      const { imageToMount } = await import("@composefs/oci");
      return imageToMount(repository, name, { erofsVersion: chosenVersion(globals) });
    },
  );
}

/**
 * Content identifier of the splitstream that an argument means: a name or id as {@link Repository.resolveStream} takes
 * it, else the manifest of the OCI image which has this tag or digest.
 *
 * @throws as {@link resolveAnyImage}, with `STREAM_NOT_FOUND`
 */
export async function resolveAnyStream(repository: Repository, name: string): Promise<string> {
  return orOfOci(
    () => repository.resolveStream(name),
    async () => {
      const { contentId, resolveImage } = await import("@composefs/oci");
      return contentId("manifest", await resolveImage(repository, name));
    },
  );
}

/** What `first` finds, else what `oci` does; when neither does, the error of the first is the one to tell. */
async function orOfOci<Found>(first: () => Found, oci: () => Promise<Found>): Promise<Found> {
  try {
    return first();
  } catch (error) {
    if (!["IMAGE_NOT_FOUND", "STREAM_NOT_FOUND"].includes(codeOf(error))) throw error;
    try {
      return await oci();
    } catch (cause) {
      throw codeOf(cause) === "IMAGE_NOT_FOUND" ? error : cause;
    }
  }
}

function codeOf(error: unknown): string {
  return String((error as { readonly code?: unknown }).code);
}
