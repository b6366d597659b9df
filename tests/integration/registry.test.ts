import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { type AddressInfo, connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type BlobSource, type Descriptor, OciError, openRegistrySink, openRegistrySource } from "@composefs/oci";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { requires } from "../support/capabilities.ts";
import { REGISTRY_USER, startRegistry, type TestRegistry } from "../support/registry.ts";
import { run } from "../support/run.ts";

const LAYOUTS = ["pax-xattrs", "bootable", "artifact"] as const;
interface Kind {
  readonly tls: boolean;
  readonly auth: boolean;
}

const KINDS: [string, Kind][] = [
  ["HTTP", { tls: false, auth: false }],
  ["HTTPS with an authority of its own", { tls: true, auth: false }],
  ["HTTP with a password", { tls: false, auth: true }],
  ["HTTPS with a password", { tls: true, auth: true }],
];

interface Layout {
  readonly dir: string;
  readonly manifest: Descriptor;
  blob(digest: string): Buffer;
}

let dir: string;
const layouts = new Map<string, Layout>();

beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), "registry-test-"));
  for (const name of LAYOUTS) layouts.set(name, unpack(name));
});
afterAll(() => rmSync(dir, { recursive: true }));

describe.skipIf(requires("docker-registry", "skopeo") !== null).each(KINDS)("a registry by %s", (_, kind) => {
  let registry: TestRegistry;

  beforeAll(async () => {
    registry = await startRegistry(kind);
  });
  afterAll(() => registry?.stop());

  test.each(LAYOUTS)("image %s, pushed by skopeo, reads back equal", async (name) => {
    const layout = layouts.get(name) as Layout;
    const target = `docker://${registry.host}/pushed/${name}:v1`;
    skopeo(registry, kind, ["copy", "--preserve-digests", `oci:${layout.dir}`, target], "dest");
    for (const reference of [target, `docker://${registry.host}/pushed/${name}@${layout.manifest.digest}`]) {
      await expectEqual(await openRegistrySource(reference, { environment: { env: registry.env() } }), layout);
    }
  });

  test.each(LAYOUTS)("image %s, pushed by the sink, reads back equal with skopeo", async (name) => {
    const layout = layouts.get(name) as Layout;
    const target = `docker://${registry.host}/ours/${name}:v1`;
    const sink = await openRegistrySink(target, { environment: { env: registry.env() } });
    try {
      for (const [i, { digest, size }] of blobsOf(layout).entries()) {
        expect(await sink.hasBlob(digest)).toBe(false);
        // Every other blob without telling its digest beforehand.
        const stored = await sink.putBlob(() => inPieces(layout.blob(digest)), i % 2 === 0 ? { digest, size } : null);
        expect(stored).toEqual({ digest, size });
        expect(await sink.hasBlob(digest)).toBe(true);
      }
      await sink.putManifest(layout.manifest, layout.blob(layout.manifest.digest));
      await sink.finish();
    } finally {
      await sink.close();
    }
    const back = join(mkdtempSync(join(dir, "back-")), "image");
    skopeo(registry, kind, ["copy", "--preserve-digests", target, `dir:${back}`], "src");
    expect(sha256(readFileSync(join(back, "manifest.json")))).toBe(layout.manifest.digest);
    const files = readdirSync(back).filter((file) => /^[0-9a-f]{64}$/.test(file));
    expect(files.map((file) => `sha256:${file}`).sort()).toEqual([...new Set(digestsOf(layout))].sort());
    for (const file of files) expect(sha256(readFileSync(join(back, file)))).toBe(`sha256:${file}`);
  });

  test("a blob of 20 MB goes there and back", async () => {
    const bytes = Buffer.alloc(20_000_000, "some content that is not all the same 0123456789");
    const environment = { env: registry.env() };
    const sink = await openRegistrySink(`docker://${registry.host}/ours/big`, { environment });
    const stored = await sink.putBlob(() => inPieces(bytes, 1_000_003), null);
    await sink.close();
    expect(stored).toEqual({ digest: sha256(bytes), size: bytes.length });
    const layout = layouts.get("pax-xattrs") as Layout;
    const target = `docker://${registry.host}/ours/big:v1`;
    skopeo(registry, kind, ["copy", "--preserve-digests", `oci:${layout.dir}`, target], "dest");
    const source = await openRegistrySource(target, { environment });
    const descriptor = { ...stored, mediaType: "application/octet-stream" };
    expect(sha256(await collect(source.readBlob(descriptor)))).toBe(stored.digest);
    await source.close();
  });

  test("content that is not what was announced leaves no blob", async () => {
    const sink = await openRegistrySink(`docker://${registry.host}/ours/wrong`, {
      environment: { env: registry.env() },
    });
    const digest = sha256(Buffer.from("right"));
    const put = sink.putBlob(() => inPieces(Buffer.from("wrong")), { digest, size: 5 });
    expect(await codeOf(put)).toBe("BLOB_DIGEST_MISMATCH");
    expect(await sink.hasBlob(digest)).toBe(false);
    expect(await sink.hasBlob(sha256(Buffer.from("wrong")))).toBe(false);
    await sink.close();
  });

  test("a name, a tag and a digest that are not there", async () => {
    const { digest } = (layouts.get("artifact") as Layout).manifest;
    for (const name of ["none", "pushed/artifact:none", `none@${digest}`]) {
      const source = await openRegistrySource(`docker://${registry.host}/${name}`, {
        environment: { env: registry.env() },
      });
      expect(await codeOf(source.candidates()), name).toBe("SOURCE_NOT_FOUND");
      await source.close();
    }
  });

  const testAuth = kind.auth ? test : none;
  testAuth("without a password, or with a wrong one", async () => {
    const env = registry.env({ anonymous: true });
    const wrong = { [registry.host]: { auth: Buffer.from(`${REGISTRY_USER.user}:wrong`).toString("base64") } };
    const wrongFile = join(dir, "wrong.json");
    writeFileSync(wrongFile, JSON.stringify({ auths: wrong }));
    for (const given of [env, { ...env, REGISTRY_AUTH_FILE: wrongFile }]) {
      const reference = `docker://${registry.host}/pushed/artifact:v1`;
      const source = await openRegistrySource(reference, { environment: { env: given } });
      expect(await codeOf(source.candidates())).toBe("AUTH_FAILED");
      await source.close();
      const sink = await openRegistrySink(reference, { environment: { env: given } });
      expect(await codeOf(sink.putBlob(() => inPieces(Buffer.from("x")), null))).toBe("AUTH_FAILED");
      await sink.close();
    }
  });

  const testTls = kind.tls ? test : none;
  testTls("a certificate that nobody vouches for", async () => {
    const env = { ...registry.env(), HOME: mkdtempSync(join(dir, "home-")) };
    const reference = `docker://${registry.host}/pushed/artifact:v1`;
    const source = await openRegistrySource(reference, { environment: { env } });
    expect(await codeOf(source.candidates())).toBe("TRANSPORT");
    await source.close();
    const vouched = { ...env, SSL_CERT_FILE: registry.caFile as string };
    await expectEqual(
      await openRegistrySource(reference, { environment: { env: vouched } }),
      layouts.get("artifact") as Layout,
    );
    const registries = join(dir, "insecure.conf");
    writeFileSync(registries, `[[registry]]\nlocation = "${registry.host}"\ninsecure = true\n`);
    const insecure = { ...env, CONTAINERS_REGISTRIES_CONF: registries };
    await expectEqual(
      await openRegistrySource(reference, { environment: { env: insecure } }),
      layouts.get("artifact") as Layout,
    );
  });

  const testPlain = kind.tls ? none : test;
  testPlain("plain HTTP needs a word in registries.conf", async () => {
    const { CONTAINERS_REGISTRIES_CONF: _conf, ...env } = registry.env();
    const source = await openRegistrySource(`docker://${registry.host}/pushed/artifact:v1`, {
      environment: { env, etc: dir },
      timing: { attempts: 1 },
    });
    expect(await codeOf(source.candidates())).toBe("TRANSPORT");
    await source.close();
  });
});

describe.skipIf(requires("docker-registry", "skopeo") !== null)("a registry by HTTPS", () => {
  let registry: TestRegistry;
  const reference = (host: string): string => `docker://${host}/pushed/artifact:v1`;

  beforeAll(async () => {
    registry = await startRegistry({ tls: true, clientCertificates: true });
    const layout = layouts.get("artifact") as Layout;
    const sink = await openRegistrySink(reference(registry.host), { environment: { env: registry.env() } });
    for (const descriptor of blobsOf(layout))
      await sink.putBlob(() => inPieces(layout.blob(descriptor.digest)), descriptor);
    await sink.putManifest(layout.manifest, layout.blob(layout.manifest.digest));
    await sink.close();
  });
  afterAll(() => registry?.stop());

  test("that wants a certificate of its clients", async () => {
    const env = registry.env();
    const source = await openRegistrySource(reference(registry.host), { environment: { env } });
    await expectEqual(source, layouts.get("artifact") as Layout);
    rmSync(join(env.HOME as string, ".config/containers/certs.d", registry.host, "client.cert"));
    const without = await openRegistrySource(reference(registry.host), {
      environment: { env },
      timing: { backoffMs: 1 },
    });
    expect(await codeOf(without.candidates())).toBe("TRANSPORT");
    await without.close();
  });

  test("by way of a proxy", async () => {
    const port = Number(registry.host.split(":")[1]);
    const asked: string[] = [];
    const proxy = createServer().on("connect", (request, socket) => {
      asked.push(`${request.method} ${request.url}`);
      const upstream = connect(port, "127.0.0.1", () => {
        socket.write("HTTP/1.1 200 OK\r\n\r\n");
        upstream.pipe(socket).pipe(upstream);
      });
      upstream.on("error", () => socket.destroy());
      socket.on("error", () => upstream.destroy());
    });
    await new Promise<void>((resolve) => proxy.listen(0, "127.0.0.1", resolve));
    const own = registry.env();
    const certs = join(own.HOME as string, ".config/containers/certs.d");
    renameSync(join(certs, registry.host), join(certs, "registry.test"));
    const env = { ...own, https_proxy: `127.0.0.1:${(proxy.address() as AddressInfo).port}` };
    try {
      const source = await openRegistrySource(reference("registry.test"), { environment: { env } });
      await expectEqual(source, layouts.get("artifact") as Layout);
      expect([...new Set(asked)]).toEqual(["CONNECT registry.test:443"]);
    } finally {
      proxy.closeAllConnections();
      proxy.close();
    }
  });
});

/** In place of `test` where there is nothing to test, which is no skipped test. */
function none(_name: string, _body: () => Promise<void>): void {
  // Nothing.
}

async function expectEqual(source: BlobSource, layout: Layout): Promise<void> {
  try {
    const { digest, size } = layout.manifest;
    const [candidate, ...others] = await source.candidates();
    expect(candidate).toMatchObject({ digest, size, platform: null });
    expect(others).toEqual([]);
    expect(Buffer.from(await source.readManifest(candidate as Descriptor))).toEqual(layout.blob(digest));
    for (const descriptor of blobsOf(layout)) {
      expect(sha256(await collect(source.readBlob(descriptor)))).toBe(descriptor.digest);
    }
    expect(await source.readReferrers?.(layout.manifest)).toEqual([]);
  } finally {
    await source.close();
  }
}

function skopeo(registry: TestRegistry, kind: Kind, args: string[], side: "src" | "dest"): void {
  const [command = "", ...others] = args;
  const certs = registry.caFile === null ? null : join(registry.caFile, "../certs");
  if (certs !== null) {
    mkdirSync(certs, { recursive: true });
    run("cp", [registry.caFile as string, certs]);
  }
  const trust = certs === null ? `--${side}-tls-verify=false` : `--${side}-cert-dir=${certs}`;
  const credentials = `--${side}-creds=${REGISTRY_USER.user}:${REGISTRY_USER.password}`;
  run("skopeo", [command, "--quiet", trust, ...(kind.auth ? [credentials] : []), ...others]);
}

function unpack(name: string): Layout {
  const layoutDir = join(dir, name);
  const archive = new URL(`../../testdata/oci/layouts/${name}.tar`, import.meta.url).pathname;
  run("tar", ["-xf", archive, "-C", dir]);
  const { manifests } = JSON.parse(readFileSync(join(layoutDir, "index.json"), "utf8"));
  const blob = (digest: string): Buffer => readFileSync(join(layoutDir, "blobs", digest.replace(":", "/")));
  return { dir: layoutDir, manifest: manifests[0], blob };
}

function blobsOf({ manifest, blob }: Layout): Descriptor[] {
  const { config, layers } = JSON.parse(blob(manifest.digest).toString("utf8"));
  return [config, ...layers];
}

function digestsOf(layout: Layout): string[] {
  return blobsOf(layout).map(({ digest }) => digest);
}

function sha256(bytes: Uint8Array): Descriptor["digest"] {
  return `sha256:${createHash("sha256").update(bytes).digest("hex")}` as Descriptor["digest"];
}

async function* inPieces(bytes: Buffer, length = 4096): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += length) yield bytes.subarray(at, at + length);
}

async function collect(pieces: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const collected: Uint8Array[] = [];
  for await (const piece of pieces) collected.push(piece);
  return Buffer.concat(collected);
}

async function codeOf(promise: Promise<unknown>): Promise<string> {
  try {
    await promise;
    return "none";
  } catch (error) {
    if (error instanceof OciError) return error.code;
    throw error;
  }
}
