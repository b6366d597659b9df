import { ComposefsError, isObjectId, type ObjectId, type Repository, type Splitstream } from "@composefs/core";
import type { OciDigest } from "../digest.ts";
import { OciError } from "../errors.ts";
import { type ImageConfig, parseConfig } from "../image/config.ts";
import { readJsonStream } from "../image/json-stream.ts";
import { type Manifest, parseManifest } from "../image/manifest.ts";
import { SEAL_LABEL, sealOf } from "../image/seal.ts";
import { verifyLayerStream } from "../layer/verify-stored-layer.ts";
import { CONTENT_TYPE, configRefName, contentId } from "../streams.ts";
import type { OciFindingKind } from "./finding.ts";

/** Told of each finding about the image under check. */
export type Report = (kind: OciFindingKind, detail: string) => void;

/** How far a check goes. */
export interface CheckDepth {
  /** Whether to compute diff_ids, too. */
  readonly contents: boolean;
  readonly signal: AbortSignal | undefined;
}

type Stream = Splitstream & { readonly id: ObjectId };

/**
 * Checks everything that an image needs: manifest and config with their digests, layers and their objects, EROFS images.
 * Objects are only looked for; their contents are the repository's fsck to check.
 *
 * @throws KernelError and node:fs errors where the repository cannot be read at all
 */
export async function checkImage(
  repository: Repository,
  manifestDigest: OciDigest,
  depth: CheckDepth,
  report: Report,
): Promise<void> {
  const manifest = await checkManifest(repository, manifestDigest, report);
  if (manifest === null) return;
  const { document, stream } = manifest;
  const configDigest = document.config.digest;
  const configId = stream.namedRefs.get(configRefName(configDigest));
  if (configId === undefined) {
    report("config-ref-missing", configDigest);
    return;
  }
  const configName = contentId("config", configDigest);
  const config = await checkDocument(repository, "config", configDigest, report, () =>
    repository.openStreamObject(configId, configName),
  );
  if (config === null) return;
  if (document.kind === "artifact") {
    for (const digest of new Set(document.layers.map((layer) => layer.digest))) {
      await checkArtifactLayer(repository, digest, [config.stream, stream], report);
    }
    return;
  }
  const parsed = parseOr(report, "config-parse-failed", () => parseConfig(config.bytes));
  if (parsed === null) return;
  await checkLayers(repository, parsed, config.stream, depth, report);
  checkErofsImages(repository, config.bytes, config.stream, report);
}

async function checkManifest(
  repository: Repository,
  digest: OciDigest,
  report: Report,
): Promise<{ readonly document: Manifest; readonly stream: Stream } | null> {
  const name = contentId("manifest", digest);
  const open = () => repository.openStream(name);
  const found = await checkDocument(repository, "manifest", digest, report, open);
  if (found === null) return null;
  const document = parseOr(report, "manifest-parse-failed", () => parseManifest(found.bytes));
  return document === null ? null : { document, stream: found.stream };
}

/** Reads a manifest or config and compares its digest. */
async function checkDocument(
  repository: Repository,
  kind: "manifest" | "config",
  digest: OciDigest,
  report: Report,
  open: () => Promise<Stream>,
): Promise<{ readonly bytes: Uint8Array; readonly stream: Stream } | null> {
  const name = contentId(kind, digest);
  let stream: Stream;
  try {
    stream = await open();
    if (stream.type !== CONTENT_TYPE[kind]) throw new Error(`its content type is '${stream.type}'`);
  } catch (error) {
    report(`${kind}-read-failed`, `Opening stream '${name}': ${(error as Error).message}`);
    return null;
  }
  try {
    return { bytes: await readJsonStream(repository, stream, kind, digest), stream };
  } catch (error) {
    if (error instanceof OciError && error.code === "BLOB_DIGEST_MISMATCH") {
      report(`${kind}-digest-mismatch`, `expected ${digest}, got ${String(error.details.actual)}`);
    } else {
      report(`${kind}-read-failed`, (error as Error).message);
    }
    return null;
  }
}

function parseOr<T>(report: Report, kind: OciFindingKind, parse: () => T): T | null {
  try {
    return parse();
  } catch (error) {
    if (!(error instanceof OciError)) throw error;
    report(kind, error.message);
    return null;
  }
}

async function checkLayers(
  repository: Repository,
  { diffIds }: ImageConfig,
  config: Stream,
  depth: CheckDepth,
  report: Report,
): Promise<void> {
  // By its own name `oci layer` finds a layer; where that leads is the repository's fsck to check.
  const entries = new Set(repository.listStreams());
  for (const diffId of new Set(diffIds)) {
    const id = config.namedRefs.get(diffId);
    if (id === undefined) report("layer-ref-missing", diffId);
    else if (!entries.has(contentId("layer", diffId))) report("layer-stream-missing", diffId);
    else await checkLayer(repository, diffId, id, depth, report);
  }
}

async function checkLayer(
  repository: Repository,
  diffId: OciDigest,
  id: ObjectId,
  depth: CheckDepth,
  report: Report,
): Promise<void> {
  try {
    const stream = await repository.openStreamObject(id, contentId("layer", diffId));
    const { type, objectRefs } = stream;
    if (type !== CONTENT_TYPE.layer) report("layer-check-failed", `${diffId}: its content type is '${type}'`);
    const [first, ...others] = await repository.objects.missing(objectRefs);
    if (first === undefined) {
      if (depth.contents) await checkTarDigest(repository, stream, diffId, depth.signal, report);
      return;
    }
    const more = others.length > 0 ? ` (and ${others.length} more)` : "";
    report("layer-object-missing", `${diffId}: Opening object ${repository.hash}:${first}${more}`);
  } catch (error) {
    if (!(error instanceof ComposefsError)) throw error;
    if (error.code === "OBJECT_NOT_FOUND") {
      report("layer-object-missing", `${diffId}: Opening object ${repository.hash}:${id}`);
    } else {
      report("layer-check-failed", `${diffId}: ${error.message}`);
    }
  }
}

/** Reads the whole tar. Of damaged objects the repository's own check tells. */
async function checkTarDigest(
  repository: Repository,
  stream: Stream,
  diffId: OciDigest,
  signal: AbortSignal | undefined,
  report: Report,
): Promise<void> {
  try {
    await verifyLayerStream(repository, stream, diffId, { signal });
  } catch (error) {
    if (error instanceof ComposefsError && error.code === "OBJECT_CORRUPT") return;
    if (!(error instanceof OciError)) throw error;
    report("layer-check-failed", `${diffId}: the tar's digest is ${String(error.details.actual)}`);
  }
}

async function checkArtifactLayer(
  repository: Repository,
  digest: OciDigest,
  streams: readonly Stream[],
  report: Report,
): Promise<void> {
  const id = streams.map(({ namedRefs }) => namedRefs.get(digest)).find((found) => found !== undefined);
  if (id === undefined) {
    report("artifact-layer-ref-missing", digest);
    return;
  }
  try {
    const { objectRefs } = await repository.openStreamObject(id, contentId("layer", digest));
    const [first] = await repository.objects.missing(objectRefs);
    if (first === undefined) return;
    report("artifact-layer-object-missing", `${digest}: Opening object ${repository.hash}:${first}`);
  } catch (error) {
    if (!(error instanceof ComposefsError)) throw error;
    const missing = error.code === "OBJECT_NOT_FOUND";
    if (missing) report("artifact-layer-object-missing", `${digest}: Opening object ${repository.hash}:${id}`);
    else report("layer-check-failed", `${digest}: ${error.message}`);
  }
}

/** The images a mount would take, and the one the image was sealed with: each needs its name, and its object. */
function checkErofsImages(repository: Repository, config: Uint8Array, stream: Stream, report: Report): void {
  const linked = [...stream.namedRefs].filter(([key]) => key.startsWith("composefs.image"));
  for (const [key, id] of linked) {
    if (!isThere(repository, id)) report("seal-image-missing", `${key}: ${id}`);
  }
  const seal = sealOf(config);
  if (seal === null) return;
  const known = isObjectId(seal, repository.hash) && isThere(repository, seal);
  if (!known) report("seal-image-missing", `${SEAL_LABEL}: ${seal}`);
}

function isThere(repository: Repository, id: ObjectId): boolean {
  try {
    return repository.resolveImage(id) === id && repository.objects.has(id);
  } catch (error) {
    if (error instanceof ComposefsError) return false;
    throw error;
  }
}
