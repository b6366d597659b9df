import type { ServerResponse } from "node:http";
import { beforeEach, describe, expect, test } from "vitest";
import {
  BLOB,
  BLOB_DESCRIPTOR,
  failure,
  MANIFEST,
  manifests,
  open,
  other,
  registry,
  serveAll,
  TYPE,
} from "./registry-fixture.ts";
import {
  bodyOf,
  codeFrom,
  collect,
  describeBytes,
  everythingSaid,
  passwordFor,
  type Script,
  sha256,
} from "./scripted-registry.ts";

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
  ])("a connection that ends %s", async (how, end) => {
    manifests((_request, response) => (registry.seen.length < 2 ? end(response) : response.end(MANIFEST)));
    const source = await open("team/app:v1", how.includes("silence") ? { idleMs: 500 } : {});
    expect(await codeFrom(source.candidates())).toBe("none");
    expect(registry.seen).toHaveLength(2);
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

  test("nothing is read after more than are ever pulled", async () => {
    const page = (n: number) => index(...Array.from({ length: 600 }, (_, i) => entry(`${n} ${i}`)));
    registry.script = (request, response) => {
      if (!request.url.includes("/referrers/")) return serveAll(request, response);
      const n = Number(/n=(\d+)/.exec(request.url)?.[1] ?? 0);
      const next = request.url.replace(/\?.*/, "");
      return response.setHeader("link", `<${next}?n=${n + 1}>; rel="next"`).end(page(n));
    };
    expect(await (await open()).readReferrers?.(SUBJECT)).toHaveLength(1200);
    expect(registry.seen.filter(({ url }) => url.includes("/referrers/"))).toHaveLength(2);
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
