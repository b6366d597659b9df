import { DOCKER_LIST, DOCKER_MANIFEST, OCI_INDEX, OCI_MANIFEST } from "../media-types.ts";

/** The `Accept` header for manifests: indexes and manifests, of OCI and of Docker. */
export const ACCEPT_MANIFESTS: string = [OCI_INDEX, OCI_MANIFEST, DOCKER_LIST, DOCKER_MANIFEST].join(", ");

/** Types that say nothing, which registries on plain file servers send. */
const UNSPECIFIC = new Set(["", "application/json", "text/plain", "application/octet-stream"]);

/** The media type of a manifest: by the header if it says anything, else what the JSON says of itself or looks like. */
export function manifestType(contentType: string | undefined, bytes: Uint8Array): string {
  const [header = ""] = (contentType ?? "").split(";");
  const type = header.trim().toLowerCase();
  if (!UNSPECIFIC.has(type)) return type;
  const { mediaType, manifests } = parse(bytes);
  if (typeof mediaType === "string" && mediaType !== "") return mediaType;
  return manifests === undefined ? OCI_MANIFEST : OCI_INDEX;
}

function parse(bytes: Uint8Array): { readonly mediaType?: unknown; readonly manifests?: unknown } {
  try {
    const value: unknown = JSON.parse(Buffer.from(bytes).toString("utf8"));
    return typeof value === "object" && value !== null ? value : {};
  } catch {
    // Whoever parses it for its content reports that.
    return {};
  }
}
