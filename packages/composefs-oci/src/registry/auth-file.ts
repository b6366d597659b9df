import { configInvalid } from "./config-file.ts";
import { DOCKER_HUB } from "./reference.ts";

/** What proves to a registry who asks. */
export type Credentials =
  | { readonly kind: "password"; readonly user: string; readonly password: string }
  /** A long-lived token that a token service takes in place of a password. */
  | { readonly kind: "identity-token"; readonly token: string };

/** Where the credentials for an image are: in the file, or with a program `docker-credential-HELPER`. */
export type AuthEntry =
  | { readonly kind: "inline"; readonly credentials: Credentials }
  | { readonly kind: "helper"; readonly helper: string; readonly server: string };

/** What docker calls its hub in auth files and towards helpers. */
const HUB_KEY = "https://index.docker.io/v1/";

type Fields = Readonly<Record<string, unknown>>;

/**
 * Finds the credentials for a repository in the text of an `auth.json` or docker's `config.json`: a helper of the host's
 * own, the most specific key of `auths` (host and path, then ever shorter ones, then the host), the helper for all.
 *
 * Errors never show what stands in the file.
 *
 * @throws OciError `REGISTRY_CONFIG_INVALID`
 */
export function findAuth(text: string, file: string, host: string, repository: string): AuthEntry | null {
  const root = fields(parseJson(text, file), file, "the file");
  const helpers = root.credHelpers === undefined ? {} : fields(root.credHelpers, file, "credHelpers");
  const server = host === DOCKER_HUB ? HUB_KEY : host;
  const key = [host, server].find((name) => Object.hasOwn(helpers, name));
  if (key !== undefined) return { kind: "helper", helper: helperName(helpers[key], file), server: key };
  const auths = root.auths === undefined || root.auths === null ? {} : fields(root.auths, file, "auths");
  const name = findKey(auths, host, repository);
  const credentials = name === null ? null : parseAuth(fields(auths[name], file, "an entry of auths"), file, name);
  if (credentials !== null) return { kind: "inline", credentials };
  if (root.credsStore === undefined || root.credsStore === "") return null;
  return { kind: "helper", helper: helperName(root.credsStore, file), server };
}

function findKey(auths: Fields, host: string, repository: string): string | null {
  const parts = [host, ...repository.split("/")];
  for (let length = parts.length; length > 0; length--) {
    const key = parts.slice(0, length).join("/");
    if (Object.hasOwn(auths, key)) return key;
  }
  // Docker, and old versions of podman, write URLs.
  const wanted = hostOfKey(host);
  return (
    Object.keys(auths).find((key) => /^https?:\/\//.test(key) && hostOfKey(key) === wanted) ?? bareHubKey(auths, host)
  );
}

function bareHubKey(auths: Fields, host: string): string | null {
  if (host !== DOCKER_HUB) return null;
  return ["index.docker.io", "registry-1.docker.io"].find((key) => Object.hasOwn(auths, key)) ?? null;
}

function hostOfKey(key: string): string {
  const [host = ""] = key.replace(/^https?:\/\//, "").split("/");
  return host === "index.docker.io" || host === "registry-1.docker.io" ? DOCKER_HUB : host;
}

function parseAuth(entry: Fields, file: string, key: string): Credentials | null {
  const { auth, identitytoken } = entry;
  if (typeof identitytoken === "string" && identitytoken !== "")
    return { kind: "identity-token", token: identitytoken };
  if (auth === undefined || auth === "") return null;
  const decoded = typeof auth === "string" ? Buffer.from(auth, "base64").toString("utf8") : "";
  const colon = decoded.indexOf(":");
  if (colon <= 0) throw configInvalid(file, `auths '${key}': auth is not the base64 of USER:PASSWORD`);
  // Docker pads with NUL bytes.
  const password = decoded.slice(colon + 1).replace(/\0+$/, "");
  return { kind: "password", user: decoded.slice(0, colon), password };
}

/** It becomes a part of a program's name. */
function helperName(value: unknown, file: string): string {
  if (typeof value === "string" && /^[A-Za-z0-9_][A-Za-z0-9._-]{0,99}$/.test(value)) return value;
  throw configInvalid(file, "credHelpers or credsStore has something that is no helper's name");
}

function fields(value: unknown, file: string, what: string): Fields {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as Fields;
  throw configInvalid(file, `${what} is no JSON object`);
}

function parseJson(text: string, file: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // The parser's message quotes the text, which is full of secrets.
    throw configInvalid(file, "it is not JSON");
  }
}
