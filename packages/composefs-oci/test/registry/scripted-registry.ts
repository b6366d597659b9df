import { createHash } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll } from "vitest";
import type { OciDigest } from "../../src/digest.ts";
import type { Descriptor } from "../../src/image/manifest.ts";
import type { RegistryOptions } from "../../src/registry/options.ts";

/** A request as the server got it; the body is there if the script waited for it. */
export interface Seen {
  readonly method: string;
  /** Path and query. */
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
  readonly raw: IncomingMessage;
}

/** What the server does with a request. */
export type Script = (request: Seen, response: ServerResponse) => unknown;

/** An HTTP server of this process that does what a test says. */
export interface ScriptedRegistry {
  /** `127.0.0.1:PORT`. */
  readonly host: string;
  /** Requests so far, without those that only look whether there is a registry. */
  readonly seen: readonly Seen[];
  /** `METHOD path` of each. */
  lines(): string[];
  script: Script;
  close(): Promise<void>;
}

export async function startScripted(script: Script): Promise<ScriptedRegistry> {
  const seen: Seen[] = [];
  const server = createServer((raw, response) => {
    const request = { method: raw.method ?? "", url: raw.url ?? "", headers: raw.headers, raw };
    if (request.url === "/v2/") {
      response.end();
      return;
    }
    seen.push(request);
    // A body that the client breaks off fails in the script as well; tests look at the client.
    Promise.resolve(registry.script(request, response)).catch(() => response.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const registry: ScriptedRegistry = {
    host: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    seen,
    lines: () => seen.map(({ method, url }) => `${method} ${url}`),
    script,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
  return registry;
}

const directories: string[] = [];
// Of whichever test file imports this.
afterAll(() => {
  for (const dir of directories) rmSync(dir, { recursive: true });
});

/** What {@link optionsFor} has for a client to find. */
export interface ScriptedFiles {
  readonly auth?: object;
  readonly conf?: string;
  /** How long a silence is borne; by default for longer than a busy machine causes one. */
  readonly idleMs?: number;
}

/** Options under which `hosts` may speak plain HTTP and nothing of this machine counts; pauses between attempts are short. */
export function optionsFor(hosts: readonly string[], files: ScriptedFiles = {}): RegistryOptions {
  const dir = mkdtempSync(join(tmpdir(), "registry-options-"));
  directories.push(dir);
  const conf = files.conf ?? hosts.map((host) => `[[registry]]\nlocation = "${host}"\ninsecure = true\n`).join("");
  writeFileSync(join(dir, "registries.conf"), conf);
  writeFileSync(join(dir, "auth.json"), JSON.stringify(files.auth ?? {}));
  const env = {
    PATH: process.env.PATH,
    HOME: dir,
    CONTAINERS_REGISTRIES_CONF: join(dir, "registries.conf"),
    REGISTRY_AUTH_FILE: join(dir, "auth.json"),
  };
  const { idleMs = 20_000 } = files;
  const timing = { idleMs, commitMs: 2 * idleMs, backoffMs: 2, maxRetryAfterMs: 1500 };
  return { environment: { env, etc: dir }, timing };
}

/** `auths` for a user with a password. */
export function passwordFor(host: string, user: string, password: string): object {
  return { auths: { [host]: { auth: Buffer.from(`${user}:${password}`).toString("base64") } } };
}

export function sha256(bytes: Uint8Array): OciDigest {
  return `sha256:${createHash("sha256").update(bytes).digest("hex")}` as OciDigest;
}

export function describeBytes(bytes: Uint8Array, mediaType = "application/octet-stream"): Descriptor {
  return { mediaType, digest: sha256(bytes), size: bytes.length };
}

export async function bodyOf({ raw }: Seen): Promise<Buffer> {
  const pieces: Buffer[] = [];
  for await (const piece of raw) pieces.push(piece);
  return Buffer.concat(pieces);
}

export async function collect(pieces: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const collected: Uint8Array[] = [];
  for await (const piece of pieces) collected.push(piece);
  return Buffer.concat(collected);
}

/** All that an error says to people and programs, its causes' included. */
export function everythingSaid(error: unknown): string {
  const said: string[] = [];
  for (let at = error; at instanceof Error; at = at.cause) said.push(at.message, at.stack ?? "", JSON.stringify(at));
  return said.join("\n");
}

/** The code of what a promise fails with; "none" when it does not. */
export async function codeFrom(promise: Promise<unknown>): Promise<string> {
  try {
    await promise;
    return "none";
  } catch (error) {
    return String((error as { code?: string }).code);
  }
}
