import { X509Certificate } from "node:crypto";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { createSecureContext, rootCertificates, type SecureContext } from "node:tls";
import { isAbsent } from "../is-absent.ts";
import { configInvalid, readConfigFile } from "./config-file.ts";
import type { RegistryEnvironment } from "./environment.ts";

/** Where distributions keep the certificates of the authorities that the machine trusts; the first one there counts. */
const SYSTEM_BUNDLES = [
  "ssl/certs/ca-certificates.crt",
  "pki/tls/certs/ca-bundle.crt",
  "ssl/ca-bundle.pem",
  "pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
  "ssl/cert.pem",
];

/**
 * Certificates for a registry: the machine's authorities (`SSL_CERT_FILE` instead, if set), with those of the first
 * directory named after the host in `certs.d` and its client certificates; containers-certs.d(5).
 *
 * @throws OciError `REGISTRY_CONFIG_INVALID`
 */
export async function tlsContext(environment: RegistryEnvironment, host: string): Promise<SecureContext> {
  const authorities: (string | Buffer)[] = await systemAuthorities(environment);
  const certificates: Buffer[] = [];
  const keys: Buffer[] = [];
  const found = await certsDirectory(environment, host);
  for (const name of found?.names ?? []) {
    const path = join(found?.dir ?? "", name);
    if (name.endsWith(".crt")) authorities.push(await readAuthority(path));
    if (!name.endsWith(".cert")) continue;
    certificates.push(await mustRead(path));
    keys.push(await mustRead(path.replace(/cert$/, "key")));
  }
  try {
    return createSecureContext({
      ca: authorities,
      ...(certificates.length > 0 ? { cert: certificates, key: keys } : {}),
    });
  } catch (cause) {
    throw configInvalid(found?.dir ?? "certificates", `TLS does not take them: ${(cause as Error).message}`, cause);
  }
}

async function systemAuthorities({ env, etc }: RegistryEnvironment): Promise<(string | Buffer)[]> {
  for (const path of env.SSL_CERT_FILE ? [env.SSL_CERT_FILE] : SYSTEM_BUNDLES.map((name) => join(etc, name))) {
    const bundle = await readConfigFile(path);
    if (bundle !== null) return [bundle];
  }
  return [...rootCertificates];
}

async function certsDirectory(
  { configHome, etc }: RegistryEnvironment,
  host: string,
): Promise<{ dir: string; names: string[] } | null> {
  for (const parent of [join(configHome, "containers"), join(etc, "containers"), join(etc, "docker")]) {
    const dir = join(parent, "certs.d", host);
    try {
      return { dir, names: (await readdir(dir)).sort() };
    } catch (error) {
      // Those of root, which a user may not see.
      if (!isAbsent(error) && (error as NodeJS.ErrnoException).code !== "EACCES") throw error;
    }
  }
  return null;
}

// OpenSSL passes over what is no certificate, and all that would be seen is a registry that nobody vouches for.
async function readAuthority(path: string): Promise<Buffer> {
  const bytes = await mustRead(path);
  try {
    if (!bytes.includes("-----BEGIN ")) throw new Error("it is not in PEM");
    new X509Certificate(bytes);
    return bytes;
  } catch (cause) {
    throw configInvalid(path, `it is no certificate: ${(cause as Error).message}`, cause);
  }
}

async function mustRead(path: string): Promise<Buffer> {
  const bytes = await readConfigFile(path);
  if (bytes !== null) return bytes;
  throw configInvalid(path, path.endsWith(".key") ? "the key of a client certificate is missing" : "it went away");
}
