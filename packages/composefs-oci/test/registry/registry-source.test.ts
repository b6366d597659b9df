import type { ServerResponse } from "node:http";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { OciError } from "../../src/errors.ts";
import { openRegistrySource } from "../../src/registry/open-registry.ts";
import type { BlobSource } from "../../src/source/blob-source.ts";
import {
  bodyOf,
  codeFrom,
  collect,
  describeBytes,
  everythingSaid,
  optionsFor,
  passwordFor,
  type Script,
  type ScriptedRegistry,
  type Seen,
  sha256,
  startScripted,
} from "./scripted-registry.ts";

const TYPE = "application/vnd.oci.image.manifest.v1+json";
const MANIFEST = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: TYPE, layers: [] }));
const BLOB = Buffer.from(Array.from({ length: 300_000 }, (_, i) => (i * 7) % 251));
const BLOB_DESCRIPTOR = describeBytes(BLOB);

let registry: ScriptedRegistry;
let other: ScriptedRegistry;
const opened: BlobSource[] = [];

beforeEach(async () => {
  registry = await startScripted(serveAll);
  other = await startScripted((_, response) => response.writeHead(404).end());
});
afterEach(async () => {
  for (const source of opened.splice(0)) await source.close();
  await registry.close();
  await other.close();
});

/** A sound registry. */
function serveAll(request: Seen, response: ServerResponse): void {
  if (request.url.includes("/manifests/")) response.setHeader("content-type", TYPE).end(MANIFEST);
  else if (request.url.includes("/blobs/")) response.setHeader("content-length", BLOB.length).end(BLOB);
  else response.writeHead(404).end();
}

async function open(name = "team/app:v1", files: Parameters<typeof optionsFor>[1] = {}): Promise<BlobSource> {
  const options = optionsFor([registry.host, other.host], files);
  const source = await openRegistrySource(`docker://${registry.host}/${name}`, options);
  opened.push(source);
  return source;
}

/** What the candidates' way answers with: a script for manifests, soundness for the rest. */
function manifests(script: Script): void {
  registry.script = (request, response) =>
    request.url.includes("/manifests/") ? script(request, response) : serveAll(request, response);
}

function blobs(script: Script): void {
  registry.script = (request, response) =>
    request.url.includes("/blobs/") ? script(request, response) : serveAll(request, response);
}

function blobRequests(): Seen[] {
  return registry.seen.filter(({ url }) => url.includes("/blobs/"));
}

async function failure(promise: Promise<unknown>): Promise<OciError> {
  return promise.then(
    () => expect.fail("it did not fail"),
    (error) => error,
  );
}

describe("manifests", () => {
  test("a tag", async () => {
    const source = await open();
    const [candidate] = await source.candidates();
    expect(candidate).toEqual({ ...describeBytes(MANIFEST, TYPE), platform: null });
    expect(Buffer.from(await source.readManifest(describeBytes(MANIFEST)))).toEqual(MANIFEST);
    expect(registry.lines()).toEqual(["GET /v2/team/app/manifests/v1"]);
    expect(registry.seen[0]?.headers.accept).toBe(
      "application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json, " +
        "application/vnd.docker.distribution.manifest.list.v2+json, application/vnd.docker.distribution.manifest.v2+json",
    );
  });

  test("a digest goes before a tag", async () => {
    await (await open(`app:v1@${sha256(MANIFEST)}`)).candidates();
    expect(registry.lines()).toEqual([`GET /v2/app/manifests/${sha256(MANIFEST)}`]);
  });

  test("another manifest, by its digest", async () => {
    const child = Buffer.from('{"schemaVersion":2}');
    manifests((request, response) => response.end(request.url.endsWith(sha256(child)) ? child : MANIFEST));
    expect(Buffer.from(await (await open()).readManifest(describeBytes(child)))).toEqual(child);
  });

  const stated = (digest: string) => ({ "docker-content-digest": digest });
  test.each<[string, string, Record<string, string>, Buffer, string]>([
    ["stated digest is another", "app", stated(sha256(BLOB)), MANIFEST, "BLOB_DIGEST_MISMATCH"],
    ["digest asked for is another", `app@${sha256(BLOB)}`, {}, MANIFEST, "BLOB_DIGEST_MISMATCH"],
    ["stated digest is right", "app", stated(sha256(MANIFEST)), MANIFEST, "none"],
    ["stated digest is none", "app", stated("v1"), MANIFEST, "none"],
    ["4 MiB", "app", {}, Buffer.alloc(2 ** 22, " "), "none"],
    ["over 4 MiB", "app", {}, Buffer.alloc(2 ** 22 + 1, " "), "MANIFEST_INVALID"],
  ])("%s", async (_, name, headers, bytes, code) => {
    manifests((_request, response) => response.writeHead(200, headers).end(bytes));
    const source = await open(name);
    expect(await codeFrom(source.candidates())).toBe(code);
  });

  test("over 4 MiB by an index", async () => {
    const descriptor = { ...BLOB_DESCRIPTOR, size: 2 ** 22 + 1 };
    expect(await codeFrom((await open()).readManifest(descriptor))).toBe("MANIFEST_INVALID");
  });

  test("no media type in the header", async () => {
    manifests((_, response) => response.setHeader("content-type", "text/plain; charset=utf-8").end(MANIFEST));
    expect(await (await open()).candidates()).toMatchObject([{ mediaType: TYPE }]);
  });
});

describe("answers that are no success", () => {
  const json = (code: string) => JSON.stringify({ errors: [{ code, message: "m\u001b[2J", detail: {} }] });
  test.each<[number, string, string]>([
    [404, json("MANIFEST_UNKNOWN"), "SOURCE_NOT_FOUND"],
    [404, json("NAME_UNKNOWN"), "SOURCE_NOT_FOUND"],
    [404, "<html>not here</html>", "SOURCE_NOT_FOUND"],
    [400, json("NAME_UNKNOWN"), "SOURCE_NOT_FOUND"],
    [400, json("NAME_INVALID"), "TRANSPORT"],
    [401, json("UNAUTHORIZED"), "AUTH_FAILED"],
    [403, json("DENIED"), "AUTH_FAILED"],
    [405, '{"errors": [null, 7, {"code": {}}]}', "TRANSPORT"],
    [418, '{"errors": "tea"}', "TRANSPORT"],
    [418, "null", "TRANSPORT"],
    [204, "", "TRANSPORT"],
  ])("%i %s: %s", async (status, body, code) => {
    manifests((_, response) => response.writeHead(status).end(body));
    const error = await failure((await open()).candidates());
    expect(error).toMatchObject({ code, details: { status, host: registry.host } });
    expect(everythingSaid(error)).not.toContain("\u001b");
    expect(registry.seen).toHaveLength(1);
  });

  test("an endless error is not read to its end", async () => {
    manifests((_, response) => {
      response.writeHead(404);
      const more = (): void => {
        while (response.write(Buffer.alloc(65_536, "x")));
      };
      response.on("drain", more);
      more();
    });
    expect(await codeFrom((await open()).candidates())).toBe("SOURCE_NOT_FOUND");
  });

  test("giant headers", async () => {
    manifests((_, response) => response.writeHead(200, { "x-giant": "x".repeat(100_000) }).end(MANIFEST));
    expect(await codeFrom((await open()).candidates())).toBe("TRANSPORT");
    expect(registry.seen).toHaveLength(1);
  });

  test("no HTTP", async () => {
    manifests((_, response) => response.socket?.end("SSH-2.0-OpenSSH_9.2p1\r\n"));
    expect(await codeFrom((await open()).candidates())).toBe("TRANSPORT");
  });

  test("nobody there", async () => {
    await registry.close();
    const error = await failure((await open()).candidates());
    expect(error).toMatchObject({ code: "TRANSPORT", details: { errno: "ECONNREFUSED" } });
  });
});

describe("passing faults", () => {
  test.each<[string, number, Record<string, string>]>([
    ["429", 429, {}],
    ["429 and a time to wait", 429, { "retry-after": "1" }],
    ["a date in the past", 429, { "retry-after": "Wed, 21 Oct 2015 07:28:00 GMT" }],
    ["nonsense", 429, { "retry-after": "soon" }],
    ["500", 500, {}],
    ["502", 502, {}],
    ["503", 503, { "retry-after": "0" }],
    ["504", 504, {}],
    ["408", 408, {}],
  ])("%s", async (_, status, headers) => {
    manifests((_request, response) =>
      registry.seen.length < 3 ? response.writeHead(status, headers).end("busy") : response.end(MANIFEST),
    );
    expect(await codeFrom((await open()).candidates())).toBe("none");
    expect(registry.seen).toHaveLength(3);
  });

  test("too long a wait is asked for", async () => {
    manifests((_, response) => response.writeHead(429, { "retry-after": "86400" }).end());
    expect(await codeFrom((await open()).candidates())).toBe("TRANSPORT");
    expect(registry.seen).toHaveLength(1);
  });

  test("a fault that does not pass", async () => {
    manifests((_, response) => response.writeHead(503).end());
    expect(await codeFrom((await open()).candidates())).toBe("TRANSPORT");
    expect(registry.seen).toHaveLength(5);
  });

  test.each<[string, (response: ServerResponse) => unknown]>([
    ["before the headers", (response) => response.socket?.destroy()],
    ["after some headers", (response) => response.socket?.end("HTTP/1.1 200 OK\r\nContent-")],
    [
      "within the body",
      (response) => {
        response.writeHead(200, { "content-length": MANIFEST.length }).write(MANIFEST.subarray(0, 10));
        setTimeout(() => response.socket?.destroy(), 20);
      },
    ],
    ["by silence before the headers", () => undefined],
    ["by silence within the body", (response) => response.writeHead(200, { "content-length": 100 }).write("{")],
  ])("a connection that ends %s", async (_, end) => {
    manifests((_request, response) => (registry.seen.length < 2 ? end(response) : response.end(MANIFEST)));
    expect(await codeFrom((await open()).candidates())).toBe("none");
    expect(registry.seen).toHaveLength(2);
  });
});

describe("blobs", () => {
  const read = async (source: BlobSource): Promise<Buffer> => collect(source.readBlob(BLOB_DESCRIPTOR));
  /** The first bytes of a whole answer, then the end of the connection. */
  const cutAfter = (response: ServerResponse, from: number, count: number): void => {
    if (!response.headersSent) response.setHeader("content-length", BLOB.length - from);
    response.write(BLOB.subarray(from, from + count), () => setTimeout(() => response.socket?.destroy(), 30));
  };
  const begin = ({ headers }: Seen): number => Number(/^bytes=([0-9]+)-$/.exec(headers.range ?? "bytes=0-")?.[1]);
  const partial = (response: ServerResponse, from: number): ServerResponse =>
    response.writeHead(206, {
      "content-range": `bytes ${from}-${BLOB.length - 1}/${BLOB.length}`,
      "content-length": BLOB.length - from,
    });

  test("a whole one", async () => {
    expect(sha256(await read(await open()))).toBe(BLOB_DESCRIPTOR.digest);
    expect(blobRequests().map(({ headers }) => headers.range)).toEqual([undefined]);
  });

  test("an empty one", async () => {
    blobs((_, response) => response.end());
    expect(await collect((await open()).readBlob(describeBytes(Buffer.alloc(0))))).toHaveLength(0);
  });

  test("cut three times, the rest by Range", async () => {
    blobs((request, response) => {
      const from = begin(request);
      if (from > 0) partial(response, from);
      if (blobRequests().length === 4) response.end(BLOB.subarray(from));
      else cutAfter(response, from, 70_000);
    });
    expect(sha256(await read(await open()))).toBe(BLOB_DESCRIPTOR.digest);
    expect(blobRequests().map(begin)).toEqual([0, 70_000, 140_000, 210_000]);
  });

  test("more cuts than attempts, each with some progress", async () => {
    blobs((request, response) => {
      const from = begin(request);
      if (from > 0) partial(response, from);
      cutAfter(response, from, 30_000);
    });
    expect(sha256(await read(await open()))).toBe(BLOB_DESCRIPTOR.digest);
    expect(blobRequests()).toHaveLength(10);
  });

  test.each<[string, (response: ServerResponse, from: number) => unknown]>([
    ["ignores Range", (response) => response.setHeader("content-length", BLOB.length).end(BLOB)],
    ["begins earlier", (response, from) => partial(response, from - 1000).end(BLOB.subarray(from - 1000))],
  ])("a registry that %s: what is known is skipped", async (_, resume) => {
    blobs((request, response) =>
      blobRequests().length === 1 ? cutAfter(response, 0, 100_000) : resume(response, begin(request)),
    );
    expect(sha256(await read(await open()))).toBe(BLOB_DESCRIPTOR.digest);
    expect(blobRequests().map(begin)).toEqual([0, 100_000]);
  });

  test.each<[string, (response: ServerResponse, from: number) => unknown]>([
    ["answers 416", (response) => response.writeHead(416).end()],
    ["begins later", (response, from) => partial(response, from + 1).end(BLOB.subarray(from + 1))],
    ["does not say where it begins", (response) => response.writeHead(206).end(BLOB.subarray(5))],
  ])("a registry that %s: from the start again", async (_, resume) => {
    blobs((request, response) => {
      if (blobRequests().length === 1) cutAfter(response, 0, 100_000);
      else if (request.headers.range !== undefined) resume(response, begin(request));
      else serveAll(request, response);
    });
    expect(sha256(await read(await open()))).toBe(BLOB_DESCRIPTOR.digest);
    expect(blobRequests().map(begin)).toEqual([0, 100_000, 0]);
  });

  test("cuts without progress come to an end", async () => {
    blobs((request, response) => {
      const from = begin(request);
      if (from > 0) partial(response, from);
      cutAfter(response, from, from === 0 ? 50_000 : 0);
    });
    expect(await codeFrom(read(await open()))).toBe("TRANSPORT");
    expect(blobRequests()).toHaveLength(5);
  });

  test("silence counts as a cut, a slow reader does not", async () => {
    blobs((request, response) => {
      if (blobRequests().length > 1) partial(response, begin(request)).end(BLOB.subarray(begin(request)));
      else response.writeHead(200, { "content-length": BLOB.length }).write(BLOB.subarray(0, 1000));
    });
    const pieces: Uint8Array[] = [];
    for await (const piece of (await open()).readBlob(BLOB_DESCRIPTOR)) {
      if (pieces.length === 1) await new Promise((resolve) => setTimeout(resolve, 900));
      pieces.push(piece);
    }
    expect(sha256(Buffer.concat(pieces))).toBe(BLOB_DESCRIPTOR.digest);
    expect(blobRequests().map(begin)).toEqual([0, 1000]);
  });

  test.each([BLOB.length - 1, BLOB.length + 1])("another size is announced: %i", async (length) => {
    blobs((_, response) => response.writeHead(200, { "content-length": length }).end(Buffer.alloc(length)));
    expect(await codeFrom(read(await open()))).toBe("BLOB_DIGEST_MISMATCH");
  });

  test("another size is announced for the rest", async () => {
    blobs((request, response) => {
      if (begin(request) === 0) return cutAfter(response, 0, 1000);
      return response.writeHead(206, { "content-range": "bytes 1000-1999/2000" }).end(Buffer.alloc(1000));
    });
    expect(await codeFrom(read(await open()))).toBe("BLOB_DIGEST_MISMATCH");
  });

  test("endless content is given up after the size it should have", async () => {
    blobs((_, response) => {
      const more = (): void => {
        while (response.write(Buffer.alloc(65_536)));
      };
      response.on("drain", more);
      more();
    });
    const length = (await read(await open())).length;
    expect(length).toBeGreaterThan(BLOB.length);
    expect(length).toBeLessThan(BLOB.length + 1_000_000);
  });

  test("content whose end is said comes as it is, however short", async () => {
    blobs((_, response) => {
      response.write("short");
      response.end();
    });
    expect(await read(await open())).toEqual(Buffer.from("short"));
    expect(blobRequests()).toHaveLength(1);
  });

  test("not there", async () => {
    blobs((_, response) => response.writeHead(404).end());
    expect(await codeFrom(read(await open()))).toBe("SOURCE_NOT_FOUND");
  });

  test.each([
    ["before the headers", () => undefined],
    ["within the body", (_: Seen, response: ServerResponse) => response.write(BLOB.subarray(0, 10))],
  ])("aborted %s", async (_, script) => {
    blobs(script);
    const controller = new AbortController();
    const reason = new Error("enough");
    const reading = collect((await open()).readBlob(BLOB_DESCRIPTOR, { signal: controller.signal }));
    setTimeout(() => controller.abort(reason), 100);
    await expect(reading).rejects.toBe(reason);
  });

  test("aborted when all has come and not all was read", async () => {
    const bytes = Buffer.alloc(2000, "x");
    blobs((_, response) => {
      response.writeHead(200, { "content-length": bytes.length }).write(bytes.subarray(0, 1000));
      setTimeout(() => response.end(bytes.subarray(1000)), 50);
    });
    const controller = new AbortController();
    const reason = new Error("enough");
    const reading = (async () => {
      for await (const _ of (await open()).readBlob(describeBytes(bytes), { signal: controller.signal })) {
        await new Promise((resolve) => setTimeout(resolve, 150));
        controller.abort(reason);
      }
    })();
    await expect(reading).rejects.toBe(reason);
  });

  test("aborted while waiting for the next attempt", async () => {
    blobs((_, response) => response.writeHead(503, { "retry-after": "1" }).end());
    const controller = new AbortController();
    const reading = collect((await open()).readBlob(BLOB_DESCRIPTOR, { signal: controller.signal }));
    setTimeout(() => controller.abort(new Error("enough")), 100);
    await expect(reading).rejects.toThrow("enough");
  });

  test("closed meanwhile", async () => {
    blobs((_, response) => response.write("x"));
    const source = await open();
    const reading = read(source);
    setTimeout(() => source.close(), 100);
    expect(await codeFrom(reading)).toBe("TRANSPORT");
    expect(await codeFrom(read(source))).toBe("TRANSPORT");
  });

  test("an iteration that ends early drops the connection", async () => {
    const closed = new Promise((resolve) =>
      blobs((request, response) => {
        request.raw.socket.on("close", resolve);
        response.writeHead(200, { "content-length": BLOB.length }).write(BLOB.subarray(0, 1000));
      }),
    );
    for await (const _ of (await open()).readBlob(BLOB_DESCRIPTOR)) break;
    await closed;
  });
});

describe("redirects", () => {
  const withPassword = (): Promise<BlobSource> => open("app", { auth: passwordFor(registry.host, "alice", "pw") });
  const basic =
    (script: Script): Script =>
    (request, response) =>
      request.headers.authorization === `Basic ${Buffer.from("alice:pw").toString("base64")}`
        ? script(request, response)
        : response.writeHead(401, { "www-authenticate": 'Basic realm="r"' }).end();
  const redirect = (response: ServerResponse, location: string): ServerResponse =>
    response.writeHead(307, { location }).end();

  test("to another host: credentials stay behind, and the rest is asked for there", async () => {
    registry.script = basic((request, response) =>
      request.url.includes("/blobs/")
        ? redirect(response, `http://${other.host}/storage?signature=abc`)
        : serveAll(request, response),
    );
    other.script = (request, response) => {
      if (request.headers.range !== undefined) {
        const range = `bytes 1000-${BLOB.length - 1}/${BLOB.length}`;
        response.writeHead(206, { "content-range": range }).end(BLOB.subarray(1000));
        return;
      }
      response.writeHead(200, { "content-length": BLOB.length }).write(BLOB.subarray(0, 1000));
      setTimeout(() => response.socket?.destroy(), 30);
    };
    expect(sha256(await collect((await withPassword()).readBlob(BLOB_DESCRIPTOR)))).toBe(BLOB_DESCRIPTOR.digest);
    expect(other.lines()).toEqual(["GET /storage?signature=abc", "GET /storage?signature=abc"]);
    for (const { headers } of other.seen) expect(headers.authorization).toBeUndefined();
    for (const { headers } of blobRequests()) expect(headers.authorization).toBeDefined();
  });

  test("back to the registry: they do not come back", async () => {
    registry.script = basic((request, response) =>
      request.url.includes("/blobs/") ? redirect(response, `http://${other.host}/x`) : serveAll(request, response),
    );
    other.script = (_, response) => redirect(response, `http://${registry.host}/elsewhere`);
    expect(await codeFrom(collect((await withPassword()).readBlob(BLOB_DESCRIPTOR)))).toBe("AUTH_FAILED");
    const last = registry.seen.at(-1);
    expect([last?.url, last?.headers.authorization]).toEqual(["/elsewhere", undefined]);
  });

  test("another host's challenge is not answered", async () => {
    registry.script = basic((_, response) => redirect(response, `http://${other.host}/x`));
    other.script = (_, response) => response.writeHead(401, { "www-authenticate": "Basic" }).end();
    expect(await codeFrom((await withPassword()).candidates())).toBe("AUTH_FAILED");
    for (const { headers } of other.seen) expect(headers.authorization).toBeUndefined();
  });

  test("within the registry", async () => {
    registry.script = basic((request, response) =>
      request.url.includes("/manifests/") ? redirect(response, "/other/place") : response.end(MANIFEST),
    );
    expect(await codeFrom((await withPassword()).candidates())).toBe("none");
  });

  test.each([
    ["without end", "/v2/app/manifests/latest"],
    ["nowhere", "http://["],
    ["to a file", "file:///etc/passwd"],
    ["with no place", undefined],
  ])("%s", async (_, location) => {
    manifests((_request, response) => response.writeHead(302, location === undefined ? {} : { location }).end());
    expect(await codeFrom((await open("app")).candidates())).toBe("TRANSPORT");
    expect(registry.seen.length).toBeLessThan(7);
  });

  test("errors do not show a storage's signature", async () => {
    manifests((_, response) => redirect(response, `http://user:secret1@${other.host}/x?sig=secret2`));
    const error = await failure((await open()).candidates());
    expect(error.code).toBe("SOURCE_NOT_FOUND");
    expect(everythingSaid(error)).not.toMatch(/secret[12]/);
    expect(other.seen[0]?.headers.authorization).toBeUndefined();
  });
});

describe("tokens", () => {
  let issued = 0;
  let token: Script;
  let accepted: (header: string | undefined) => boolean;

  beforeEach(() => {
    issued = 0;
    accepted = (header) => header === `Bearer token${issued}`;
    token = (_, response) => response.end(JSON.stringify({ token: `token${++issued}`, expires_in: 300 }));
    other.script = (request, response) => token(request, response);
    registry.script = (request, response) => {
      if (accepted(request.headers.authorization)) return serveAll(request, response);
      const challenge = `Bearer realm="http://${other.host}/token?x=1",service="svc",scope="repository:team/app:pull"`;
      return response.writeHead(401, { "www-authenticate": challenge }).end();
    };
  });

  test("without a password: one for all requests", async () => {
    const source = await open();
    await source.candidates();
    await Promise.all([1, 2, 3].map(() => collect(source.readBlob(BLOB_DESCRIPTOR))));
    expect(other.lines()).toEqual(["GET /token?x=1&service=svc&scope=repository%3Ateam%2Fapp%3Apull"]);
    expect(other.seen[0]?.headers.authorization).toBeUndefined();
    expect(registry.seen).toHaveLength(5);
  });

  test("with a password", async () => {
    await (await open("team/app", { auth: passwordFor(registry.host, "alice", "p:w") })).candidates();
    expect(other.seen[0]?.url).toContain("account=alice");
    expect(other.seen[0]?.headers.authorization).toBe(`Basic ${Buffer.from("alice:p:w").toString("base64")}`);
  });

  test("with an identity token", async () => {
    let form = "";
    token = async (request, response) => {
      form = (await bodyOf(request)).toString();
      response.end(JSON.stringify({ access_token: `token${++issued}` }));
    };
    const auth = { auths: { [registry.host]: { auth: "YTo=", identitytoken: "long lived" } } };
    await (await open("team/app", { auth })).candidates();
    expect(other.lines()).toEqual(["POST /token?x=1"]);
    expect(Object.fromEntries(new URLSearchParams(form))).toEqual({
      grant_type: "refresh_token",
      refresh_token: "long lived",
      client_id: "composefs",
      scope: "repository:team/app:pull",
      service: "svc",
    });
  });

  test("one that ends soon is renewed before it is used", async () => {
    token = (_, response) => response.end(JSON.stringify({ token: `token${++issued}`, expires_in: 1 }));
    const source = await open();
    await source.candidates();
    await collect(source.readBlob(BLOB_DESCRIPTOR));
    expect(other.seen).toHaveLength(2);
    expect(registry.seen).toHaveLength(3);
  });

  test("one that is refused early is renewed once", async () => {
    const source = await open();
    await source.candidates();
    accepted = (header) => header === "Bearer token2";
    await collect(source.readBlob(BLOB_DESCRIPTOR));
    accepted = () => false;
    const error = await failure(collect(source.readBlob(BLOB_DESCRIPTOR)));
    expect(error.code).toBe("AUTH_FAILED");
    expect(everythingSaid(error)).not.toMatch(/token[0-9]/);
    expect(issued).toBe(3);
  });

  test("one that several find refused is renewed once for all", async () => {
    const source = await open();
    await source.candidates();
    accepted = (header) => header === "Bearer token2";
    await Promise.all([1, 2, 3].map(() => collect(source.readBlob(BLOB_DESCRIPTOR))));
    expect(issued).toBe(2);
  });

  test.each<[string, string, string]>([
    ["no realm", 'Bearer service="svc"', "TRANSPORT"],
    ["a realm that is no URL", 'Bearer realm="auth"', "TRANSPORT"],
    ["a realm of another kind", 'Bearer realm="file:///etc/passwd"', "TRANSPORT"],
    ["an unknown scheme", "Negotiate", "AUTH_FAILED"],
    ["nothing", "", "AUTH_FAILED"],
    ["a password that there is not", 'Basic realm="r"', "AUTH_FAILED"],
  ])("a challenge with %s", async (_, challenge, code) => {
    registry.script = (_request, response) => response.writeHead(401, { "www-authenticate": challenge }).end();
    expect(await codeFrom((await open()).candidates())).toBe(code);
    expect(registry.seen).toHaveLength(1);
  });

  test.each<[string, number, string, string]>([
    ["refuses", 401, '{"details": "incorrect username or password"}', "AUTH_FAILED"],
    ["is not found", 404, "", "SOURCE_NOT_FOUND"],
    ["answers no JSON", 200, "token", "TRANSPORT"],
    ["answers null", 200, "null", "TRANSPORT"],
    ["answers without a token", 200, "{}", "TRANSPORT"],
    ["answers what no header can hold", 200, '{"token": "a\\r\\nX-Evil: 1"}', "TRANSPORT"],
    ["redirects", 302, "", "TRANSPORT"],
  ])("a token service that %s", async (_, status, body, code) => {
    token = (_request, response) => response.writeHead(status, { location: `http://${registry.host}/` }).end(body);
    const auth = passwordFor(registry.host, "alice", "secret password");
    const error = await failure((await open("team/app", { auth })).candidates());
    expect(error.code).toBe(code);
    expect(everythingSaid(error)).not.toContain("secret password");
    expect(other.seen).toHaveLength(1);
  });

  test("a token service with a passing fault", async () => {
    token = (_, response) =>
      other.seen.length < 3 ? response.writeHead(503).end() : response.end(`{"token": "token${++issued}"}`);
    expect(await codeFrom((await open()).candidates())).toBe("none");
  });

  test("a helper that fails is told of when the registry refuses", async () => {
    token = (_, response) => response.writeHead(401).end();
    const error = await failure((await open("app", { auth: { credsStore: "not-there" } })).candidates());
    expect(error.code).toBe("AUTH_FAILED");
    expect(error.hint).toContain("docker-credential-not-there");
  });
});

describe("mirrors", () => {
  const conf = (mirrors: readonly string[]): string =>
    [
      `[[registry]]\nprefix = "${registry.host}"\nlocation = "${registry.host}"\ninsecure = true`,
      ...mirrors.map((location) => `[[registry.mirror]]\nlocation = "${location}"\ninsecure = true`),
    ].join("\n");

  test("the first that has the image gives all of it", async () => {
    other.script = serveAll;
    const source = await open("team/app:v1", { conf: conf([`${other.host}/cache`]) });
    await source.candidates();
    expect(sha256(await collect(source.readBlob(BLOB_DESCRIPTOR)))).toBe(BLOB_DESCRIPTOR.digest);
    expect(registry.seen).toEqual([]);
    expect(other.lines()).toEqual([
      "GET /v2/cache/team/app/manifests/v1",
      `GET /v2/cache/team/app/blobs/${BLOB_DESCRIPTOR.digest}`,
    ]);
  });

  test("those without it, and dead ones, are passed over", async () => {
    const source = await open("app", { conf: conf(["127.0.0.1:1", other.host]) });
    expect(sha256(await collect(source.readBlob(BLOB_DESCRIPTOR)))).toBe(BLOB_DESCRIPTOR.digest);
    expect(other.seen).toHaveLength(1);
    expect(registry.seen).toHaveLength(2);
  });

  test("without it anywhere, the place itself says what is wrong", async () => {
    registry.script = (_, response) => response.writeHead(403).end();
    const error = await failure((await open("app", { conf: conf([other.host]) })).candidates());
    expect(error.code).toBe("AUTH_FAILED");
    expect(error.details.mirrors).toMatchObject([{ code: "SOURCE_NOT_FOUND" }]);
  });
});

describe("referrers", () => {
  const SUBJECT = describeBytes(MANIFEST);
  const entry = (text: string): object => ({ ...describeBytes(Buffer.from(text), TYPE), artifactType: "x/y" });
  const index = (...entries: object[]): string => JSON.stringify({ schemaVersion: 2, manifests: entries });
  const platform = { os: "linux", architecture: "arm64", variant: "v8" };

  test("by the API, over several pages", async () => {
    registry.script = (request, response) => {
      if (!request.url.includes("/referrers/")) return serveAll(request, response);
      if (request.url.endsWith("?n=2")) return response.end(index(entry("b"), entry("a")));
      return response.setHeader("link", `<${request.url}?n=2>; rel="next"`).end(index({ ...entry("a"), platform }));
    };
    expect(await (await open()).readReferrers?.(SUBJECT)).toMatchObject([
      { ...describeBytes(Buffer.from("a"), TYPE), platform: null },
      { ...describeBytes(Buffer.from("b"), TYPE), platform: null },
    ]);
  });

  test("by the tag that stands in", async () => {
    const tag = SUBJECT.digest.replace(":", "-");
    registry.script = (request, response) =>
      request.url.endsWith(`/manifests/${tag}`)
        ? response.end(index({ ...entry("a"), platform }))
        : request.url.includes("/referrers/")
          ? response.writeHead(404).end()
          : serveAll(request, response);
    expect(await (await open()).readReferrers?.(SUBJECT)).toMatchObject([
      { ...describeBytes(Buffer.from("a"), TYPE), platform },
    ]);
  });

  test.each([
    ["no JSON", "<html>", "MANIFEST_INVALID"],
    ["no index", "{}", "MANIFEST_INVALID"],
    ["no digest", '{"manifests":[{"mediaType":"a","size":1,"digest":"b"}]}', "DIGEST_INVALID"],
  ])("%s", async (_, body, code) => {
    registry.script = (request, response) =>
      request.url.includes("/referrers/") ? response.end(body) : serveAll(request, response);
    expect(await codeFrom((await open()).readReferrers?.(SUBJECT) as Promise<unknown>)).toBe(code);
  });

  test("pages without end come to one", async () => {
    registry.script = (request, response) =>
      request.url.includes("/referrers/")
        ? response.setHeader("link", `<${request.url}>; rel="next"`).end(index(entry("a")))
        : serveAll(request, response);
    expect(await (await open()).readReferrers?.(SUBJECT)).toHaveLength(1);
    expect(registry.seen.length).toBeLessThan(110);
  });
});
