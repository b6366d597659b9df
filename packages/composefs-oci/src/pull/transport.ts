import { OciError } from "../errors.ts";

/** Transports of image references; those of the last line are read by skopeo. */
const TRANSPORTS = [
  "containers-storage",
  "docker",
  "registry",
  "oci",
  "oci-archive",
  "docker-archive",
  "dir",
  "docker-daemon",
  "ostree",
  "sif",
  "tarball",
] as const;

type Transport = (typeof TRANSPORTS)[number];

/** Where an image reference points. */
export interface TransportReference {
  readonly transport: Transport;
  /** What follows the first colon; of `docker://` what follows the slashes. */
  readonly rest: string;
}

/** Whether a reference has a transport in front. */
export function hasTransport(reference: string): boolean {
  return TRANSPORTS.some((known) => reference.startsWith(`${known}:`));
}

/**
 * Splits an image reference such as `containers-storage:localhost/app:latest`.
 *
 * @throws OciError `TRANSPORT` no transport or an unknown one, an empty rest, or `docker:` without slashes
 * @see oci.md §1.1
 */
export function parseTransport(reference: string): TransportReference {
  const colon = reference.indexOf(":");
  const name = reference.slice(0, Math.max(colon, 0));
  const after = reference.slice(colon + 1);
  const transport = TRANSPORTS.find((known) => known === name);
  if (transport === undefined) {
    const problem = colon > 0 ? `the unknown transport '${name}'` : "no transport in front";
    throw refused(
      reference,
      problem,
      `registries are called docker://${reference}, and only aliases in registries.conf need no transport; others: ${TRANSPORTS.join(", ")}`,
    );
  }
  if (transport === "docker" && !after.startsWith("//")) {
    throw refused(reference, "no slashes after 'docker:'", `did you mean docker://${after.replace(/^\/+/, "")}?`);
  }
  const rest = transport === "docker" ? after.slice(2) : after;
  if (rest !== "") return { transport, rest };
  throw refused(reference, "nothing after its transport", `for example ${EXAMPLES[transport] ?? `${transport}:NAME`}`);
}

const EXAMPLES: Readonly<Partial<Record<Transport, string>>> = {
  docker: "docker://quay.io/NAME:TAG",
  oci: "oci:DIRECTORY:TAG",
  "oci-archive": "oci-archive:FILE:TAG",
  "docker-archive": "docker-archive:FILE",
  dir: "dir:DIRECTORY",
};

function refused(reference: string, problem: string, hint: string): OciError {
  return new OciError("TRANSPORT", `image reference '${reference}' has ${problem}`, { details: { reference }, hint });
}
