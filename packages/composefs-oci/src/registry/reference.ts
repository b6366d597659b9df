import { type OciDigest, parseDigest } from "../digest.ts";
import { OciError } from "../errors.ts";

/** Name of Docker's hub in references, configurations and auth files. */
export const DOCKER_HUB = "docker.io";

/** An image in a registry, by its full name. */
export interface RegistryReference {
  /** Host, with its port where one is given; an IPv6 address is in brackets. */
  readonly host: string;
  /** Path of the repository within the registry. */
  readonly repository: string;
  /** Null where a digest alone says which image is meant. */
  readonly tag: string | null;
  readonly digest: OciDigest | null;
}

/** Longer ones than these no registry takes; they bound the work of the patterns below as well. */
const MAX_REPOSITORY_CHARS = 255;
const MAX_HOST_CHARS = 255;
const MAX_REFERENCE_CHARS = 1024;

const HOST = /^(?:[a-z0-9]+(?:-+[a-z0-9]+)*(?:\.[a-z0-9]+(?:-+[a-z0-9]+)*)*|\[[0-9a-f:.]+\])(?::([0-9]{1,5}))?$/i;
const COMPONENT = /^[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*$/;
const TAG = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$/;

/**
 * Parses `docker://[HOST[:PORT]/]NAME[:TAG][@DIGEST]`; `registry:NAME` means the same.
 *
 * A name without a host is one of docker.io, and one without a slash lies there in `library/`, so `docker://alpine` is
 * `docker.io/library/alpine:latest`. That is what both skopeo and podman make of it: aliases are for names without a
 * transport, see `resolveShortName`. With a digest the tag is not looked at when reading, as in podman.
 *
 * @throws OciError `REF_INVALID`
 * @see oci.md §1.1
 */
export function parseRegistryReference(reference: string): RegistryReference {
  const name = /^(?:docker:\/\/|registry:)(.*)$/s.exec(reference)?.[1];
  if (name === undefined) throw invalid(reference, "expected docker:// and a name");
  return parseImageName(name, reference);
}

/**
 * Parses an image name as it stands after `docker://`.
 *
 * @param shown what errors call it
 * @throws OciError `REF_INVALID`
 */
export function parseImageName(name: string, shown: string = name): RegistryReference {
  if (name.length > MAX_REFERENCE_CHARS) throw invalid(shown, `it has more than ${MAX_REFERENCE_CHARS} characters`);
  if (name === "") throw invalid(shown, "the name is empty");
  const at = name.indexOf("@");
  const digest = at < 0 ? null : digestPart(name.slice(at + 1), shown);
  const tagged = at < 0 ? name : name.slice(0, at);
  const colon = tagged.indexOf(":", tagged.lastIndexOf("/") + 1);
  const tag = colon < 0 ? null : tagged.slice(colon + 1);
  if (tag !== null && !TAG.test(tag)) {
    throw invalid(
      shown,
      `the tag '${clip(tag)}' has other characters than letters, digits, '_', '.' and '-', or over 128`,
    );
  }
  const { host, repository } = splitHost(colon < 0 ? tagged : tagged.slice(0, colon));
  checkHost(host, shown);
  checkRepository(repository, shown);
  return { host, repository, tag: tag ?? (digest === null ? "latest" : null), digest };
}

/** Whether a text is the path of a repository, without host, tag and digest. */
export function isRepository(text: string): boolean {
  return text.length <= MAX_REPOSITORY_CHARS && text.split("/").every((component) => COMPONENT.test(component));
}

/** The full name, as configurations are compared with it and people are shown it. */
export function imageName({ host, repository, tag, digest }: RegistryReference): string {
  return `${host}/${repository}${tag === null ? "" : `:${tag}`}${digest === null ? "" : `@${digest}`}`;
}

/** Whether what stands before the first slash of a name can only be a host. */
export function beginsWithHost(name: string): boolean {
  const first = name.slice(0, Math.max(name.indexOf("/"), 0));
  return first === "localhost" || /[.:]/.test(first);
}

function splitHost(path: string): { host: string; repository: string } {
  const slash = path.indexOf("/");
  const first = path.slice(0, Math.max(slash, 0));
  // Upper case cannot be in a repository, so it must be meant as a host.
  const isHost = beginsWithHost(path) || first !== first.toLowerCase();
  const host = !isHost || first === "index.docker.io" ? DOCKER_HUB : first;
  const rest = isHost ? path.slice(slash + 1) : path;
  return { host, repository: host === DOCKER_HUB && !rest.includes("/") ? `library/${rest}` : rest };
}

function checkHost(host: string, shown: string): void {
  const port = HOST.exec(host);
  if (port === null || host.length > MAX_HOST_CHARS || !URL.canParse(`https://${host}`)) {
    throw invalid(shown, `'${clip(host)}' is no host[:port]`);
  }
  if (port[1] !== undefined && (Number(port[1]) === 0 || Number(port[1]) > 65_535)) {
    throw invalid(shown, `${port[1]} is no port`);
  }
}

function checkRepository(repository: string, shown: string): void {
  if (repository.length > MAX_REPOSITORY_CHARS) {
    throw invalid(shown, `the repository's name has more than ${MAX_REPOSITORY_CHARS} characters`);
  }
  if (/^(?:library\/)?[0-9a-f]{64}$/.test(repository)) {
    throw invalid(
      shown,
      "64 hex digits are an image's id, and registries know none",
      "give a name, or NAME@sha256:DIGEST",
    );
  }
  for (const component of repository.split("/")) {
    if (COMPONENT.test(component)) continue;
    const problem = /[A-Z]/.test(component) ? "has upper-case letters" : "is malformed";
    throw invalid(shown, `'${clip(component)}' ${problem}`);
  }
}

function digestPart(text: string, shown: string): OciDigest {
  try {
    return parseDigest(text);
  } catch (cause) {
    throw new OciError("REF_INVALID", `image reference '${clip(shown)}': ${(cause as Error).message}`, {
      details: { reference: clip(shown) },
      hint: "write a digest as NAME@sha256: and 64 hex digits",
      cause,
    });
  }
}

/** Enough of a malformed text to know it again. */
function clip(text: string): string {
  return text.length > 200 ? `${text.slice(0, 200)}…` : text;
}

function invalid(reference: string, problem: string, hint?: string): OciError {
  return new OciError("REF_INVALID", `image reference '${clip(reference)}': ${problem}`, {
    details: { reference: clip(reference) },
    hint:
      hint ?? "write it as docker://HOST[:PORT]/NAME[:TAG] or docker://HOST/NAME@sha256:DIGEST; names are lower-case",
  });
}
