import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type IncomingMessage, request, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, onTestFinished, test } from "vitest";
import { requires } from "../support/capabilities.ts";
import { type CfsctlResult, cfsctl, cfsctlOk, ended, startCfsctl } from "../support/cfsctl.ts";
import { startRegistry, type TestRegistry } from "../support/registry.ts";
import { initRepo } from "../support/repo.ts";
import { run } from "../support/run.ts";

const NAME = "pax-xattrs";
const TESTDATA = new URL("../../testdata/oci/", import.meta.url);
const { images } = JSON.parse(readFileSync(new URL("vectors.json", TESTDATA), "utf8")) as {
  images: readonly { readonly name: string; readonly manifest_digest: string; readonly config_digest: string }[];
};
const recorded = images.find(({ name }) => name === NAME);

const ENDS = ["SIGINT", "SIGKILL"] as const;

/** Does something to an answer instead of passing it on; null passes it on. */
type Fault = (asked: number, incoming: IncomingMessage) => ((response: ServerResponse, body: Buffer) => void) | null;

describe.skipIf(requires("docker-registry", "skopeo", "cfsctl") !== null)("docker-registry behind a bad line", () => {
  let dir: string;
  let registry: TestRegistry;
  let proxy: Server;
  let host: string;
  let env: NodeJS.ProcessEnv;
  let fault: Fault;
  /** What was asked for, with the ranges, by path. */
  let asked: Map<string, (string | undefined)[]>;
  let repo: string;

  beforeAll(async () => {
    dir = mkdtempSync(join(tmpdir(), "registry-faults-"));
    execFileSync("tar", ["-xf", new URL(`layouts/${NAME}.tar`, TESTDATA).pathname, "-C", dir]);
    registry = await startRegistry();
    const to = `docker://${registry.host}/app:v1`;
    run("skopeo", [
      "--insecure-policy",
      "copy",
      "-q",
      "--preserve-digests",
      "--dest-tls-verify=false",
      `oci:${join(dir, NAME)}`,
      to,
    ]);
    proxy = createServer(forward).listen(0, "127.0.0.1");
    await new Promise((resolve) => proxy.once("listening", resolve));
    host = `localhost:${(proxy.address() as AddressInfo).port}`;
    const conf = join(dir, "registries.conf");
    writeFileSync(conf, `[[registry]]\nlocation = "${host}"\ninsecure = true\n`);
    env = { ...registry.env(), CONTAINERS_REGISTRIES_CONF: conf };
  });
  afterAll(async () => {
    proxy?.closeAllConnections();
    proxy?.close();
    await registry?.stop();
    rmSync(dir, { recursive: true, force: true });
  });
  beforeEach(async () => {
    asked = new Map();
    repo = await initRepo(join(mkdtempSync(join(dir, "repo-")), "repo"), "fsverity-sha256-12");
  });
  afterEach(() => rmSync(repo, { recursive: true, force: true }));

  function forward(incoming: IncomingMessage, response: ServerResponse): void {
    const { url = "", method, headers } = incoming;
    const before = asked.get(url) ?? [];
    asked.set(url, [...before, headers.range]);
    const [hostname, port] = registry.host.split(":");
    const outgoing = request({ hostname, port, path: url, method, headers }, (answer) => {
      const chunks: Buffer[] = [];
      answer.on("data", (chunk: Buffer) => chunks.push(chunk));
      answer.on("end", () => {
        const body = Buffer.concat(chunks);
        const act = fault(before.length, incoming);
        if (act !== null) act(response, body);
        else response.writeHead(answer.statusCode ?? 500, answer.headers).end(body);
      });
    });
    incoming.pipe(outgoing);
  }

  const pull = (): Promise<CfsctlResult> =>
    cfsctl(["--repo", repo, "oci", "pull", "--quiet", `docker://${host}/app:v1`, "app"], { env });

  const layersNamed = (): number => {
    const streams = join(repo, "streams");
    return existsSync(streams) ? readdirSync(streams).filter((name) => name.startsWith("oci-layer-")).length : 0;
  };

  async function expectPulled(): Promise<void> {
    const { exitCode, stdout, stderr } = await pull();
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: "" });
    expect(stdout).toContain(`manifest ${recorded?.manifest_digest}\nconfig   ${recorded?.config_digest}\n`);
    expect((await cfsctlOk(["--repo", repo, "oci", "fsck"])).stdout).toContain("oci images: 1/1 ok\n");
  }

  async function expectNothingNamed(result: CfsctlResult, code: string): Promise<void> {
    expect(result).toMatchObject({ exitCode: 1, stdout: "" });
    expect(result.stderr).toContain(`[${code}]`);
    expect(result.stderr).toContain(host);
    for (const names of ["streams", "images"]) {
      const path = join(repo, names);
      expect(existsSync(path) ? readdirSync(path).filter((name) => name !== "refs") : []).toEqual([]);
    }
    expect((await cfsctlOk(["--repo", repo, "fsck"])).stdout).toContain("status: ok\n");
  }

  test.each([
    [429, { "retry-after": "0" }],
    [500, {}],
    [503, {}],
  ])("status %i to the first request for anything: it is asked for again", async (status, headers) => {
    fault = (before) => (before > 0 ? null : (response) => response.writeHead(status, headers).end());
    await expectPulled();
    const documents = [...asked].filter(([url]) => url !== "/v2/");
    expect(documents.length).toBeGreaterThanOrEqual(3); // manifest, config, layer
    for (const [url, requests] of documents) expect(requests.length, url).toBeGreaterThanOrEqual(2);
  });

  test("a connection that is cut in the middle of a blob: the rest is fetched", async () => {
    fault = (before, { url }) =>
      before > 0 || !url?.includes("/blobs/")
        ? null
        : (response, body) => {
            response.writeHead(200, { "content-length": body.length });
            response.write(body.subarray(0, body.length / 2), () => setTimeout(() => response.destroy(), 50));
          };
    await expectPulled();
    const blobs = [...asked].filter(([url]) => url.includes("/blobs/")).map(([, ranges]) => ranges);
    expect(blobs.length).toBeGreaterThanOrEqual(2);
    for (const ranges of blobs) expect(ranges).toEqual([undefined, expect.stringMatching(/^bytes=[1-9]\d*-/)]);
  });

  test.each(ENDS)("a pull that %s ends while a layer hangs: the next one fetches that layer alone", async (signal) => {
    fault = () => null;
    const manifest = JSON.parse(
      run("skopeo", ["inspect", "--raw", "--tls-verify=false", `docker://${registry.host}/app:v1`]),
    ) as { readonly layers: readonly { readonly digest: string }[] };
    const hung = manifest.layers[0]?.digest;
    expect(manifest.layers.length).toBeGreaterThan(1);
    fault = (_, { url }) =>
      url?.includes(`/blobs/${hung}`)
        ? (response, body) => {
            response.writeHead(200, { "content-length": body.length });
            response.write(body.subarray(0, body.length / 2));
          }
        : null;
    const child = startCfsctl(["--repo", repo, "oci", "pull", `docker://${host}/app:v1`, "app"], { env });
    let told = "";
    const complete = new Promise<void>((resolve) => {
      child.stderr?.on("data", (text: Buffer) => {
        told += text.toString();
        if (told.match(/^layer .*copied/gm)?.length === manifest.layers.length - 1) resolve();
      });
    });
    onTestFinished(() => void child.kill("SIGKILL"));
    await Promise.race([complete, ended(child)]);
    // Nobody is told of SIGKILL: the names must be there before.
    if (signal === "SIGKILL") await expect.poll(layersNamed).toBe(manifest.layers.length - 1);
    child.kill(signal);
    await ended(child);
    expect(child.signalCode).toBe(signal);
    expect(layersNamed()).toBe(manifest.layers.length - 1);
    expect(told).not.toContain("error");
    fault = () => null;
    asked.clear();
    await expectPulled();
    const layers = manifest.layers.map(({ digest }) => digest).filter((digest) => asked.has(`/v2/app/blobs/${digest}`));
    expect(layers).toEqual([hung]);
  });

  test.each(["/blobs/", "/manifests/"])("wrong bytes of the right length for %s: nothing has a name", async (what) => {
    fault = (_, { url, method }) =>
      method !== "GET" || !url?.includes(what)
        ? null
        : (response, body) => {
            const wrong = Buffer.from(body);
            wrong[wrong.length - 2] = (wrong[wrong.length - 2] as number) ^ 1;
            const type =
              what === "/manifests/" ? "application/vnd.oci.image.manifest.v1+json" : "application/octet-stream";
            const digest = recorded?.manifest_digest ?? "";
            const headers = {
              "content-type": type,
              ...(what === "/manifests/" ? { "docker-content-digest": digest } : {}),
            };
            response.writeHead(200, { ...headers, "content-length": wrong.length }).end(wrong);
          };
    await expectNothingNamed(await pull(), "BLOB_DIGEST_MISMATCH");
  });

  test.each<[string, string, (response: ServerResponse) => unknown]>([
    ["status 503", "busy", (response) => response.writeHead(503).end()],
    ["a cut", "cut", (response) => response.destroy()],
  ])("push: %s in place of an answer to an upload: the blob is sent again", async (_, name, fail) => {
    fault = () => null;
    await expectPulled();
    let uploads = 0;
    fault = (_before, { method }) => (method === "PATCH" && uploads++ < 2 ? fail : null);
    const push = ["--repo", repo, "oci", "push", "--quiet", "--json", "app", `docker://${host}/${name}:v1`];
    const { config_digest, blobs_written } = JSON.parse((await cfsctlOk(push, { env })).stdout) as {
      readonly config_digest: string;
      readonly blobs_written: number;
    };
    expect(config_digest).toBe(recorded?.config_digest);
    expect(uploads).toBe(blobs_written + 2);
    run("skopeo", [
      ...["--insecure-policy", "copy", "-q", "--src-tls-verify=false"],
      ...[`docker://${registry.host}/${name}:v1`, `dir:${join(dir, name)}`],
    ]);
    const [, hex] = config_digest.split(":") as [string, string];
    expect(
      createHash("sha256")
        .update(readFileSync(join(dir, name, hex)))
        .digest("hex"),
    ).toBe(hex);
  });

  test("a wait that the registry asks for is told of", async () => {
    fault = (before) => (before > 0 ? null : (response) => response.writeHead(429, { "retry-after": "1" }).end());
    const command = ["--repo", repo, "oci", "pull", `docker://${host}/app:v1`, "app"];
    const { stderr } = await cfsctlOk(command, { env });
    expect(stderr).toMatch(/^docker:\/\/\S+: manifest v1: http:\S+ answered 429; trying again in 1 s$/m);
  });

  test("a tag that is not there", async () => {
    fault = () => null;
    const command = ["--repo", repo, "oci", "pull", "--quiet", `docker://${host}/app:none`];
    await expectNothingNamed(await cfsctl(command, { env }), "SOURCE_NOT_FOUND");
  });

  test("a wrong password, to pull and to push", async () => {
    fault = () => null;
    await expectPulled();
    const closed = await startRegistry({ auth: true });
    try {
      const auth = join(dir, "wrong.json");
      const encoded = Buffer.from("alice:wrong").toString("base64");
      writeFileSync(auth, JSON.stringify({ auths: { [closed.host]: { auth: encoded } } }));
      const wrong = { env: { ...closed.env(), REGISTRY_AUTH_FILE: auth } };
      for (const command of [
        ["pull", `docker://${closed.host}/app:v1`],
        ["push", "app", `docker://${closed.host}/app:v1`],
      ]) {
        const { exitCode, stderr } = await cfsctl(["--repo", repo, "oci", ...command], wrong);
        expect(exitCode).toBe(1);
        expect(stderr).toContain("[AUTH_FAILED]");
      }
      await cfsctlOk(["--repo", repo, "oci", "push", "--quiet", "app", `docker://${closed.host}/app:v1`], {
        env: closed.env(),
      });
    } finally {
      await closed.stop();
    }
  });
});
