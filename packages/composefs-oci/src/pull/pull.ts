import type { Repository } from "@composefs/core";
import { ComposefsError } from "@composefs/core/repository";
import { reworded } from "../errors.ts";
import { tagRef } from "../image/tag-name.ts";
import { importImage, type PullResult } from "./import-image.ts";
import type { SourcePullOptions } from "./source-pull.ts";
import type { StoreSourceOptions } from "./store-source.ts";
import { hasTransport, parseTransport } from "./transport.ts";

/** Settings of {@link pull}. */
export interface PullOptions extends Omit<SourcePullOptions, "strictPlatform">, StoreSourceOptions {
  /** Read a containers-storage with skopeo rather than directly, which copies everything; default false. */
  readonly throughSkopeo?: boolean | undefined;
}

/**
 * Pulls the image that `reference` (`TRANSPORT:NAME`) names into the repository. Transports: `containers-storage`,
 * `docker` and `registry`, `oci`, `oci-archive`, `docker-archive`, `dir`, and through skopeo `docker-daemon`, `ostree`,
 * `sif`, `tarball`. A name without one is pulled from where the user's `registries.conf` has an alias for it.
 *
 * Loads what the transport needs, and not the others.
 *
 * @param options `tag` as in {@link importImage}, that is none by default
 * @throws as {@link importImage} and {@link pullFromSource}; OciError `TRANSPORT`, `ZERO_COPY_IMPOSSIBLE`; CstorageError
 */
export async function pull(repository: Repository, reference: string, options: PullOptions = {}): Promise<PullResult> {
  try {
    return await pullFrom(repository, reference, options);
  } catch (error) {
    throw ofImage(error, reference);
  }
}

/** The same error with the image in front, if it is about its tree: that has paths like those of this machine. */
function ofImage(error: unknown, source: string): unknown {
  if (!(error instanceof ComposefsError) || !OF_TREE.has(error.code)) return error;
  return reworded(error, `${source}: ${error.message}`, { source });
}

const OF_TREE: ReadonlySet<string> = new Set(["TREE_INVALID", "IMAGE_UNREPRESENTABLE"]);

async function pullFrom(repository: Repository, given: string, options: PullOptions): Promise<PullResult> {
  const reference = hasTransport(given) ? given : await followAlias(given, options);
  const parsed = parseTransport(reference);
  repository.ensureWritable();
  if (options.tag != null) tagRef(options.tag);
  options.onProgress?.({ type: "stage", stage: "resolve" });
  if (parsed.transport === "containers-storage" && !options.throughSkopeo) {
    const { pullFromStore } = await import("./store-source.ts");
    return pullFromStore(repository, parsed.rest, options, (source) => importImage(repository, source, options));
  }
  const [{ openSource }, { pullFromSource }] = await Promise.all([
    import("./open-source.ts"),
    import("./source-pull.ts"),
  ]);
  const source = await openSource(reference, parsed, options);
  try {
    const strictPlatform = parsed.transport === "oci" || parsed.transport === "oci-archive";
    return await pullFromSource(repository, source, { ...options, strictPlatform });
  } finally {
    await source.close();
  }
}

/** What a name without a transport stands for; itself where it has no alias. */
async function followAlias(name: string, { onProgress }: PullOptions): Promise<string> {
  const { resolveShortName } = await import("../registry/short-name.ts");
  const resolved = await resolveShortName(name);
  if (resolved === null) return name;
  onProgress?.({ type: "note", text: `${name} is ${resolved.reference} by ${resolved.file}` });
  return resolved.reference;
}
