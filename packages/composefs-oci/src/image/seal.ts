/** Label by which a config names the EROFS image it was sealed with (oci.md §6.5). */
export const SEAL_LABEL = "containers.composefs.fsverity";

/** The EROFS image that a container image's config says it was sealed with; null when it does not. */
export function sealOf(config: Uint8Array): string | null {
  const { config: settings } = JSON.parse(Buffer.from(config).toString("utf8")) as { readonly config?: unknown };
  const labels = (settings as { readonly Labels?: unknown } | null | undefined)?.Labels;
  const seal = (labels as Readonly<Record<string, unknown>> | null | undefined)?.[SEAL_LABEL];
  return typeof seal === "string" ? seal : null;
}
