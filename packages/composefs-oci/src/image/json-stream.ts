import type { ObjectId, Repository, Splitstream } from "@composefs/core";
import { ComposefsError } from "@composefs/core/repository";
import { digestOf, type OciDigest } from "../digest.ts";
import { digestMismatch } from "../digest-mismatch.ts";
import { OciError } from "../errors.ts";
import { CONTENT_TYPE, contentId } from "../streams.ts";

/** Far above any real config or manifest, which are read whole. */
const MAX_JSON_BYTES = 64 * 1024 * 1024;

/** A config or manifest: exact bytes and what its stream refers to. */
export interface JsonDocument {
  readonly kind: "config" | "manifest";
  readonly digest: OciDigest;
  readonly bytes: Uint8Array;
  /** Named references in the order to write. */
  readonly refs: readonly (readonly [name: string, id: ObjectId])[];
}

/**
 * Stores the splitstream of a config or manifest, whose JSON is always an object of its own, unless the one that is
 * there has the same content and references. References of that one that are not in `document`, such as those to EROFS
 * images, are kept after the new ones (oci.md §3.1, §11.3). The stream gets no name here.
 */
export async function storeJsonStream(repository: Repository, document: JsonDocument): Promise<ObjectId> {
  const { kind, digest, bytes, refs } = document;
  const present = await findJsonStream(repository, kind, digest);
  if (present !== null && refs.every(([name, id]) => present.namedRefs.get(name) === id)) return present.id;
  const stream = repository.createStream(CONTENT_TYPE[kind]);
  stream.external(await repository.objects.put(bytes, `${kind} ${digest}`), bytes.length);
  for (const [name, id] of refs) stream.ref(name, id);
  const known = new Set(refs.map(([name]) => name));
  for (const [name, id] of present?.namedRefs ?? []) if (!known.has(name)) stream.ref(name, id);
  return repository.objects.put(stream.finish(), `splitstream of ${kind} ${digest}`);
}

/** The JSON of a config or manifest stream, checked against its digest. */
export async function readJsonStream(
  repository: Repository,
  stream: Splitstream,
  kind: "config" | "manifest",
  digest: OciDigest,
): Promise<Uint8Array> {
  const pieces: Uint8Array[] = [];
  let length = 0;
  for await (const piece of repository.readStream(stream)) {
    length += piece.length;
    if (length > MAX_JSON_BYTES) {
      throw new OciError("MANIFEST_INVALID", `${kind} ${digest}: more than ${MAX_JSON_BYTES} bytes`, {
        details: { digest, limit: MAX_JSON_BYTES, stream: contentId(kind, digest) },
        hint: "pull the image again",
      });
    }
    pieces.push(piece);
  }
  const bytes = Buffer.concat(pieces);
  const actual = digestOf(bytes, digest);
  if (actual === digest) return bytes;
  throw digestMismatch(`${kind} ${digest}`, digest, actual, "pull the image again");
}

/** The stream, when it is there and whole; a damaged one counts as absent, so that a pull repairs it. */
export async function findJsonStream(
  repository: Repository,
  kind: "config" | "manifest",
  digest: OciDigest,
): Promise<(Splitstream & { readonly id: ObjectId }) | null> {
  const name = contentId(kind, digest);
  try {
    const id = repository.findStream(name);
    if (id === null) return null;
    const stream = await repository.openStreamObject(id, name);
    await readJsonStream(repository, stream, kind, digest);
    return stream;
  } catch (error) {
    if (error instanceof ComposefsError || error instanceof OciError) return null;
    throw error;
  }
}
