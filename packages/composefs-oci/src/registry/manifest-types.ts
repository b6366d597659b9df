/** Media types that are asked for, indexes and manifests, of OCI and of Docker. */
const MANIFEST_TYPES: readonly string[] = [
  "application/vnd.oci.image.index.v1+json",
  "application/vnd.oci.image.manifest.v1+json",
  "application/vnd.docker.distribution.manifest.list.v2+json",
  "application/vnd.docker.distribution.manifest.v2+json",
];

/** The `Accept` header for manifests. */
export const ACCEPT_MANIFESTS: string = MANIFEST_TYPES.join(", ");

/** Types that say nothing, which registries on plain file servers send. */
const UNSPECIFIC = new Set(["", "application/json", "text/plain", "application/octet-stream"]);

/** The media type of a manifest: by the header if it says anything, else what the JSON says of itself or looks like. */
export function manifestType(contentType: string | undefined, bytes: Uint8Array): string {
  const [header = ""] = (contentType ?? "").split(";");
  const type = header.trim().toLowerCase();
  if (!UNSPECIFIC.has(type)) return type;
  const { mediaType, manifests } = parse(bytes);
  if (typeof mediaType === "string" && mediaType !== "") return mediaType;
  return `application/vnd.oci.image.${manifests === undefined ? "manifest" : "index"}.v1+json`;
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
