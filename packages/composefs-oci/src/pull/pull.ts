import type { Repository } from "@composefs/core";
import { OciError } from "../errors.ts";
import { tagRef } from "../image/tag-name.ts";
import { type ImportImageOptions, importImage, type PullResult } from "./import-image.ts";
import { pullFromStore, type StoreSourceOptions } from "./store-source.ts";
import { parseTransport } from "./transport.ts";

/** Settings of {@link pull}. */
export interface PullOptions extends ImportImageOptions, StoreSourceOptions {}

/**
 * Pulls the image that `reference` (`TRANSPORT:NAME`) names into the repository. Transports: `containers-storage`.
 *
 * @param options `tag` as in {@link importImage}, that is none by default
 * @throws as {@link importImage}; OciError `TRANSPORT`, `ZERO_COPY_IMPOSSIBLE`; CstorageError
 */
export async function pull(repository: Repository, reference: string, options: PullOptions = {}): Promise<PullResult> {
  const { transport, rest } = parseTransport(reference);
  repository.ensureWritable();
  if (options.tag != null) tagRef(options.tag);
  options.onProgress?.({ type: "stage", stage: "resolve" });
  switch (transport) {
    case "containers-storage":
      return pullFromStore(repository, rest, options, (source) => importImage(repository, source, options));
    default:
      throw new OciError("TRANSPORT", `transport '${transport}:' is not supported`, {
        details: { reference, transport, supported: ["containers-storage"] },
        hint: `bring the image into podman first (\`skopeo copy ${reference} containers-storage:NAME\`), then pull it from there`,
      });
  }
}
