import { OciError } from "../errors.ts";

/** Where an image reference points: the part before its first colon, and the rest. */
export interface TransportReference {
  readonly transport: string;
  readonly rest: string;
}

/**
 * Splits an image reference such as `containers-storage:localhost/app:latest`.
 *
 * @throws OciError `TRANSPORT` no transport, or an empty rest
 * @see oci.md §1.1
 */
export function parseTransport(reference: string): TransportReference {
  const colon = reference.indexOf(":");
  const [transport, rest] = [reference.slice(0, Math.max(colon, 0)), reference.slice(colon + 1)];
  if (colon > 0 && rest !== "") return { transport, rest };
  const problem = colon > 0 ? "nothing after its transport" : "no transport in front";
  throw new OciError("TRANSPORT", `image reference '${reference}' has ${problem}`, {
    details: { reference },
    hint: `an image of podman is called containers-storage:${rest || "NAME"}`,
  });
}
