import type { ServerResponse } from "node:http";
import { describe, expect, test } from "vitest";
import { CONTENT, FACTS, methods, open, registry, take, taken } from "./registry-sink-fixture.ts";
import {
  bodyOf,
  codeFrom,
  passwordFor,
  type Script,
  type ScriptedFiles,
  type Seen,
  sha256,
  startScripted,
} from "./scripted-registry.ts";

async function* pieces(bytes: Uint8Array = CONTENT, length = 30_000): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += length) yield bytes.subarray(at, at + length);
}

/** The content was sent once, and the session given up; the two may overtake each other. */
function expectGivenUp(): void {
  expect(methods().sort()).toEqual(["DELETE", "PATCH", "POST"]);
}

/** A request whose body has been read. */
async function read(request: Seen): Promise<Seen> {
  await bodyOf(request);
  return request;
}

describe("blobs", () => {
  test.each([
    ["known beforehand", FACTS],
    ["unknown", null],
  ])("a digest %s", async (_, expected) => {
    expect(await (await open()).putBlob(pieces, expected)).toEqual(FACTS);
    expect(sha256(taken.bytes)).toBe(FACTS.digest);
    expect(registry.lines()).toEqual([
      "POST /v2/app/blobs/uploads/",
      "PATCH /v2/app/blobs/uploads/1?_state=a%2Bb",
      `PUT /v2/app/blobs/uploads/1?_state=c%2Bd&digest=${encodeURIComponent(FACTS.digest)}`,
    ]);
    expect(registry.seen[1]?.headers).toMatchObject({ "content-type": "application/octet-stream" });
  });

  test("a sha512 digest", async () => {
    const { createHash } = await import("node:crypto");
    const digest = `sha512:${createHash("sha512").update(CONTENT).digest("hex")}` as typeof FACTS.digest;
    registry.script = take({ PUT: (_, response) => response.writeHead(201).end() });
    expect(await (await open()).putBlob(pieces, { ...FACTS, digest })).toEqual({ ...FACTS, digest });
  });

  test("an empty blob", async () => {
    expect(await (await open()).putBlob(() => pieces(Buffer.alloc(0)), null)).toEqual({
      digest: "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
      size: 0,
    });
  });

  test("places to upload to, absolute or without parameters", async () => {
    registry.script = take({
      POST: (_, response) => response.writeHead(202, { location: `http://${registry.host}/upload/x` }).end(),
      PATCH: async (request, response) => {
        taken.bytes = await bodyOf(request);
        response.writeHead(202).end();
      },
    });
    await (await open()).putBlob(pieces, null);
    expect(registry.lines().slice(1)).toEqual([
      "PATCH /upload/x",
      `PUT /upload/x?digest=${encodeURIComponent(FACTS.digest)}`,
    ]);
  });

  test("a place to upload to at another host gets no credentials", async () => {
    const storage = await startScripted(take());
    registry.script = (request, response) =>
      request.headers.authorization === undefined
        ? response.writeHead(401, { "www-authenticate": "Basic" }).end()
        : response.writeHead(202, { location: `http://${storage.host}/upload` }).end();
    try {
      await (await open("app", { auth: passwordFor(registry.host, "alice", "pw") })).putBlob(pieces, null);
      expect(methods()).toEqual(["POST", "POST"]);
      expect(storage.seen.map(({ headers }) => headers.authorization)).toEqual([undefined, undefined]);
    } finally {
      await storage.close();
    }
  });

  test("a registry that asks for a token", async () => {
    const refuse = (request: Seen, response: ServerResponse, next: Script): unknown => {
      if (request.url.startsWith("/token")) return response.end('{"token": "t"}');
      if (request.headers.authorization === "Bearer t") return next(request, response);
      return response
        .writeHead(401, { "www-authenticate": `Bearer realm="http://${registry.host}/token",service=s` })
        .end();
    };
    registry.script = (request, response) => refuse(request, response, take());
    await (await open()).putBlob(pieces, FACTS);
    expect(registry.lines()[1]).toBe("GET /token?service=s&scope=repository%3Aapp%3Apull%2Cpush");
    expect(methods()).toEqual(["POST", "GET", "POST", "PATCH", "PUT"]);
  });

  test.each<[string, Partial<typeof FACTS>]>([
    ["another digest", { digest: sha256(Buffer.from("x")) }],
    ["more bytes", { size: FACTS.size - 1 }],
    ["fewer bytes", { size: FACTS.size + 1 }],
  ])("content with %s than announced", async (_, other) => {
    const put = (await open()).putBlob(pieces, { ...FACTS, ...other });
    expect(await codeFrom(put)).toBe("BLOB_DIGEST_MISMATCH");
    expectGivenUp();
  });

  test("content that cannot be read", async () => {
    const reason = new Error("EIO");
    async function* broken(): AsyncGenerator<Uint8Array> {
      yield CONTENT;
      throw reason;
    }
    await expect((await open()).putBlob(broken, null)).rejects.toBe(reason);
    expectGivenUp();
  });

  test("slow content is no silence", async () => {
    async function* slow(): AsyncGenerator<Uint8Array> {
      yield CONTENT.subarray(0, 100);
      await new Promise((resolve) => setTimeout(resolve, 700));
      yield CONTENT.subarray(100);
    }
    expect(await (await open("app:v1", { idleMs: 400 })).putBlob(slow, FACTS)).toEqual(FACTS);
  });

  async function* endless(): AsyncGenerator<Uint8Array> {
    for (let i = 0; i < 2000; i++) yield CONTENT;
  }

  test.each<[string, Script]>([
    ["refuses", (_, response) => response.writeHead(413).end()],
    ["sends elsewhere", (_, response) => response.writeHead(307, { location: "/x" }).end()],
  ])("a registry that %s is not asked again", async (_, answer) => {
    registry.script = take({ PATCH: async (request, response) => answer(await read(request), response) });
    expect(await codeFrom((await open()).putBlob(pieces, null))).toBe("TRANSPORT");
    expectGivenUp();
  });

  test.each<[string, Script]>([
    ["refuses", (_, response) => response.writeHead(413).end()],
    ["says it is done", (_, response) => response.writeHead(202).end()],
  ])("a registry that %s halfway", async (_, patch) => {
    registry.script = take({ PATCH: patch });
    expect(await codeFrom((await open()).putBlob(endless, null))).toBe("TRANSPORT");
    // Where the connection ends before the answer is read, another attempt is made.
    const made = methods().length / 3;
    expect(methods().sort()).toEqual(["DELETE", "PATCH", "POST"].flatMap((method) => Array(made).fill(method)));
  });

  describe.each<[string, ScriptedFiles, () => AsyncIterable<Uint8Array>, Script]>([
    ["ends the connection", {}, endless, (request) => request.raw.once("data", () => request.raw.destroy())],
    ["reads nothing", { idleMs: 500 }, endless, () => undefined],
    ["reads all and says nothing", { idleMs: 500 }, pieces, (request) => request.raw.resume()],
    ["has a fault", {}, endless, (_, response) => response.writeHead(503, { "retry-after": "0" }).end()],
    ["is asked too much", {}, endless, (_, response) => response.writeHead(429).end()],
  ])("a registry that %s", (_, files, content, fail) => {
    test("for good", async () => {
      registry.script = take({ PATCH: fail });
      expect(await codeFrom((await open("app:v1", files)).putBlob(content, null))).toBe("TRANSPORT");
      expect(methods().sort()).toEqual([
        ...Array(5).fill("DELETE"),
        ...Array(5).fill("PATCH"),
        ...Array(5).fill("POST"),
      ]);
    });

    test("twice: the content is sent anew, in a session of its own", async () => {
      let sessions = 0;
      const sound = take();
      const patched: string[] = [];
      registry.script = take({
        POST: (_request, response) =>
          response.writeHead(202, { location: `/v2/app/blobs/uploads/${++sessions}` }).end(),
        PATCH: (request, response) => {
          patched.push(request.url);
          return (patched.length < 3 ? fail : sound)(request, response);
        },
      });
      let opened = 0;
      const again = (): AsyncIterable<Uint8Array> => (++opened < 3 ? content() : pieces());
      expect(await (await open("app:v1", files)).putBlob(again, null)).toEqual(FACTS);
      expect(taken.bytes.equals(CONTENT)).toBe(true);
      expect(patched).toEqual([1, 2, 3].map((n) => `/v2/app/blobs/uploads/${n}`));
      const given = registry.seen.filter(({ method }) => method === "DELETE").map(({ url }) => url);
      expect(given).toEqual([1, 2].map((n) => `/v2/app/blobs/uploads/${n}`));
    });
  });

  test.each<[string, Script, string]>([
    ["no place to upload to", (_, response) => response.writeHead(202).end(), "TRANSPORT"],
    ["a place that is none", (_, response) => response.writeHead(202, { location: "ftp://a/b" }).end(), "TRANSPORT"],
    ["a refusal", (_, response) => response.writeHead(403).end(), "AUTH_FAILED"],
  ])("%s", async (_, post, code) => {
    registry.script = take({ POST: post });
    expect(await codeFrom((await open()).putBlob(pieces, null))).toBe(code);
    expect(methods()).toEqual(["POST"]);
  });

  test("a lost answer to the last step: the blob is looked for", async () => {
    registry.script = take({
      PUT: (request, response) =>
        methods().filter((method) => method === "PUT").length === 1
          ? request.raw.destroy()
          : response.writeHead(404).end(),
      HEAD: (_, response) => response.writeHead(200, { "content-length": CONTENT.length }).end(),
    });
    expect(await (await open()).putBlob(pieces, null)).toEqual(FACTS);
    expect(methods()).toEqual(["POST", "PATCH", "PUT", "PUT", "HEAD"]);
  });

  test("the last step is refused", async () => {
    registry.script = take({ PUT: (_, response) => response.writeHead(400).end() });
    expect(await codeFrom((await open()).putBlob(pieces, null))).toBe("TRANSPORT");
    expect(methods()).toEqual(["POST", "PATCH", "PUT", "HEAD", "DELETE"]);
  });

  test("the registry stored something else", async () => {
    const stated = { "docker-content-digest": sha256(Buffer.from("something else")) };
    registry.script = take({ PUT: (_, response) => response.writeHead(201, stated).end() });
    expect(await codeFrom((await open()).putBlob(pieces, null))).toBe("BLOB_DIGEST_MISMATCH");
  });

  test("aborted", async () => {
    const controller = new AbortController();
    const reason = new Error("enough");
    registry.script = take({ PATCH: () => controller.abort(reason) });
    async function* endless(): AsyncGenerator<Uint8Array> {
      for (;;) yield CONTENT;
    }
    const put = (await open()).putBlob(endless, null, { signal: controller.signal });
    await expect(put).rejects.toBe(reason);
    expectGivenUp();
  });

  test.each([
    [200, true],
    [404, false],
  ])("whether it is there: %i", async (status, there) => {
    registry.script = take({ HEAD: (_, response) => response.writeHead(status).end() });
    expect(await (await open()).hasBlob(FACTS.digest)).toBe(there);
    expect(registry.lines()).toEqual([`HEAD /v2/app/blobs/${FACTS.digest}`]);
  });
});
