import { digestHex, digestOf } from "../digest.ts";
import { optionalStringField, parseJsonObject } from "../image/json-shape.ts";
import { DOCKER_SCHEMA_1, OCI_INDEX, OCI_MANIFEST } from "../media-types.ts";
import type { AccessOptions, BlobSource, Candidate } from "./blob-source.ts";
import { directoryFiles } from "./directory-files.ts";
import { readAll, readBlobFile } from "./read-all.ts";
import { malformed, noSuchBlob } from "./source-errors.ts";

const VERSION_LINE = /^Directory Transport Version: 1\.\d+\s*$/;
const VERSION_BYTES = 64;

/**
 * Opens an image in skopeo's `dir:` form: `manifest.json`, blobs by the hex of their digests, and for an index
 * `HEX.manifest.json` for each manifest it lists.
 *
 * @param reference as given, for messages
 * @throws OciError `SOURCE_INVALID` another version of the form; KernelError
 */
export async function openDir(reference: string, path: string, options: AccessOptions = {}): Promise<BlobSource> {
  const files = directoryFiles(path);
  const version = await readAll(files, "version", options, VERSION_BYTES);
  if (version !== null && !VERSION_LINE.test(Buffer.from(version).toString("latin1"))) {
    throw malformed(reference, "its file 'version' is not of the form 1", "use a tool that knows newer ones");
  }
  const main = async (access?: AccessOptions): Promise<Uint8Array> => {
    const bytes = await readAll(files, "manifest.json", access);
    if (bytes === null) throw noSuchBlob("manifest.json");
    return bytes;
  };
  return {
    reference,
    candidates: async (access) => [describe(await main(access))],
    readManifest: async (descriptor, access) => {
      const bytes = await main(access);
      if (digestOf(bytes, descriptor.digest) === descriptor.digest) return bytes;
      const path = `${digestHex(descriptor.digest)}.manifest.json`;
      const listed = await readAll(files, path, access, descriptor.size + 1);
      if (listed === null) throw noSuchBlob(`manifest ${descriptor.digest} (${path})`);
      return listed;
    },
    readBlob: (descriptor, access) =>
      readBlobFile(
        () => files.open(digestHex(descriptor.digest)),
        () => noSuchBlob(`blob ${descriptor.digest}`),
        access,
      ),
    close: () => files.close(),
  };
}

/** Nothing but the manifest itself says what it is. */
function describe(bytes: Uint8Array): Candidate {
  const document = parseJsonObject(bytes, "manifest.json");
  const { schemaVersion, manifests } = document.fields;
  const guess = schemaVersion === 1 ? DOCKER_SCHEMA_1 : manifests === undefined ? OCI_MANIFEST : OCI_INDEX;
  return {
    mediaType: optionalStringField(document, "mediaType") ?? guess,
    digest: digestOf(bytes),
    size: bytes.length,
    platform: null,
  };
}
