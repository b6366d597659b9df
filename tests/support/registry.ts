import { type ChildProcess, spawn } from "node:child_process";
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { run } from "./run.ts";

/** What {@link startRegistry} sets up. */
export interface RegistryOptions {
  /** HTTPS with a certificate for `localhost` and `registry.test`, of an authority made for this registry. */
  readonly tls?: boolean;
  /** With `tls`: only for clients with a certificate of that authority. */
  readonly clientCertificates?: boolean;
  /** Only for {@link REGISTRY_USER}. */
  readonly auth?: boolean;
}

/** A registry of this machine that belongs to a test. */
export interface TestRegistry {
  /** `localhost:PORT`. */
  readonly host: string;
  /** Authority of its certificate, in PEM; null without TLS. */
  readonly caFile: string | null;
  /**
   * Environment under which our tools find the registry, and nothing of this machine's user: `registries.conf` allows
   * HTTP where the registry speaks it, `certs.d` has the authority, and the auth file the user, unless `anonymous`.
   */
  env(options?: { readonly anonymous?: boolean }): NodeJS.ProcessEnv;
  /** Ends the process and removes its storage. */
  stop(): Promise<void>;
}

/** The user of registries with `auth`. */
export const REGISTRY_USER = { user: "alice", password: "s3cret:with colon" } as const;

/** REGISTRY_USER in the form of htpasswd; made with Python 3.11: `crypt.crypt`. */
const HTPASSWD = "alice:$2b$05$abcdefghijklmnopqrstuuOb/B27OpVc3Bt3QXIepIr2DUn/DCZNi\n";

/** Starts Debian's docker-registry on a free port of loopback, with an empty storage. */
export async function startRegistry(options: RegistryOptions = {}): Promise<TestRegistry> {
  const { tls = false, clientCertificates = false, auth = false } = options;
  const dir = mkdtempSync(join(tmpdir(), "registry-"));
  const port = await freePort();
  const host = `localhost:${port}`;
  const caFile = tls ? makeAuthority(dir) : null;
  const server =
    caFile === null ? {} : { tls: { ...makeCertificate(dir, "server"), ...clientCas(caFile, clientCertificates) } };
  if (clientCertificates) makeCertificate(dir, "client");
  const config = {
    version: 0.1,
    log: { level: "error", accesslog: { disabled: true } },
    storage: { filesystem: { rootdirectory: join(dir, "storage") }, delete: { enabled: true } },
    http: { addr: `127.0.0.1:${port}`, ...server },
    ...(auth ? { auth: { htpasswd: { realm: "test", path: write(dir, "htpasswd", HTPASSWD) } } } : {}),
  };
  // JSON is YAML.
  const configFile = write(dir, "config.yml", JSON.stringify(config));
  const child = spawn("docker-registry", ["serve", configFile], { stdio: "ignore" });
  const registry: TestRegistry = {
    host,
    caFile,
    env: ({ anonymous = false } = {}) => environment(dir, host, caFile, auth && !anonymous),
    stop: async () => {
      await end(child);
      rmSync(dir, { recursive: true });
    },
  };
  try {
    await untilListening(port, child);
    return registry;
  } catch (error) {
    await registry.stop();
    throw error;
  }
}

function environment(dir: string, host: string, caFile: string | null, auth: boolean): NodeJS.ProcessEnv {
  const home = mkdtempSync(join(dir, "home-"));
  const registries = caFile === null ? `[[registry]]\nlocation = "${host}"\ninsecure = true\n` : "";
  if (caFile !== null) {
    const certs = join(home, ".config/containers/certs.d", host);
    mkdirSync(certs, { recursive: true });
    for (const name of ["ca.crt", "client.cert", "client.key"]) {
      if (existsSync(join(dir, name))) copyFileSync(join(dir, name), join(certs, name));
    }
  }
  const encoded = Buffer.from(`${REGISTRY_USER.user}:${REGISTRY_USER.password}`).toString("base64");
  return {
    PATH: process.env.PATH,
    HOME: home,
    CONTAINERS_REGISTRIES_CONF: write(home, "registries.conf", registries),
    REGISTRY_AUTH_FILE: write(home, "auth.json", JSON.stringify({ auths: auth ? { [host]: { auth: encoded } } : {} })),
  };
}

const NEW_KEY = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];

/** Makes `ca.crt` and its key. */
function makeAuthority(dir: string): string {
  const [key, certificate] = [join(dir, "ca.key"), join(dir, "ca.crt")];
  run("openssl", ["req", "-x509", ...NEW_KEY, "-days", "2", "-subj", "/CN=test", "-keyout", key, "-out", certificate]);
  return certificate;
}

/** Makes a certificate of that authority, `NAME.cert` and `NAME.key`. */
function makeCertificate(dir: string, name: string): { certificate: string; key: string } {
  const [key, request, certificate] = [join(dir, `${name}.key`), join(dir, `${name}.csr`), join(dir, `${name}.cert`)];
  run("openssl", ["req", ...NEW_KEY, "-subj", "/CN=localhost", "-keyout", key, "-out", request]);
  const extensions = write(dir, "tls.ext", "subjectAltName=DNS:localhost,DNS:registry.test");
  const authority = ["-CA", join(dir, "ca.crt"), "-CAkey", join(dir, "ca.key"), "-CAcreateserial"];
  const files = ["-in", request, "-out", certificate, "-extfile", extensions];
  run("openssl", ["x509", "-req", ...authority, "-days", "2", ...files]);
  return { certificate, key };
}

function clientCas(caFile: string, wanted: boolean): { clientcas?: string[] } {
  return wanted ? { clientcas: [caFile] } : {};
}

function write(dir: string, name: string, content: string): string {
  const path = join(dir, name);
  writeFileSync(path, content);
  return path;
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });
}

async function untilListening(port: number, child: ChildProcess): Promise<void> {
  let failure: Error | null = null;
  child.once("error", (error) => {
    failure = error;
  });
  for (let attempt = 0; attempt < 200; attempt++) {
    if (failure !== null) throw failure;
    if (child.exitCode !== null) throw new Error(`docker-registry ended with status ${child.exitCode}`);
    if (await answers(port)) return;
    await sleep(50);
  }
  throw new Error("docker-registry does not listen after 10 s");
}

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    const done = (answer: boolean): void => {
      socket.destroy();
      resolve(answer);
    };
    socket.once("connect", () => done(true));
    socket.once("error", () => done(false));
  });
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return;
  const ended = new Promise((resolve) => child.once("exit", resolve));
  child.kill("SIGKILL");
  await ended;
}
