import type { ServerResponse } from "node:http";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { openRegistrySink } from "../../src/registry/open-registry.ts";
import type { BlobSink } from "../../src/sink/blob-sink.ts";
import {
  bodyOf,
  codeFrom,
  describeBytes,
  optionsFor,
  passwordFor,
  type Script,
  type ScriptedFiles,
  type ScriptedRegistry,
  type Seen,
  sha256,
  startScripted,
} from "./scripted-registry.ts";

const TYPE = "application/vnd.docker.distribution.manifest.v2+json";
const MANIFEST = Buffer.from('{"schemaVersion":2}');
const CONTENT = Buffer.from(Array.from({ length: 200_000 }, (_, i) => (i * 11) % 241));
const FACTS = { digest: sha256(CONTENT), size: CONTENT.length };

let registry: ScriptedRegistry;
let sinks: BlobSink[];
/** What the registry took. */
let uploaded: Buffer;

beforeEach(async () => {
  sinks = [];
  uploaded = Buffer.alloc(0);
  registry = await startScripted(take());
});
afterEach(async () => {
  for (const sink of sinks) await sink.close();
  await registry.close();
});

/** A sound registry; `steps` take the place of what it does for a method. */
function take(steps: Record<string, Script> = {}): Script {
  const sound: Record<string, Script> = {
    HEAD: (_, response) => response.writeHead(404).end(),
    POST: (_, response) => response.writeHead(202, { location: "/v2/app/blobs/uploads/1?_state=a%2Bb" }).end(),
    PATCH: async (request, response) => {
      uploaded = await bodyOf(request);
      response.writeHead(202, { location: "/v2/app/blobs/uploads/1?_state=c%2Bd" }).end();
    },
    PUT: async (request, response) => {
      const body = await bodyOf(request);
      const digest = request.url.includes("/manifests/") ? sha256(body) : sha256(uploaded);
      response.writeHead(201, { "docker-content-digest": digest }).end();
    },
    DELETE: (_, response) => response.writeHead(204).end(),
  };
  return (request, response) => (steps[request.method] ?? sound[request.method])?.(request, response);
}

async function open(name = "app:v1", files: ScriptedFiles = {}): Promise<BlobSink> {
  const sink = await openRegistrySink(`docker://${registry.host}/${name}`, optionsFor([registry.host], files));
  sinks.push(sink);
  return sink;
}

async function* pieces(bytes: Uint8Array = CONTENT, length = 30_000): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += length) yield bytes.subarray(at, at + length);
}

function methods(): string[] {
  return registry.seen.map(({ method }) => method);
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
    expect(sha256(uploaded)).toBe(FACTS.digest);
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
        uploaded = await bodyOf(request);
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
      expect(uploaded.equals(CONTENT)).toBe(true);
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
    const stated = { "docker-content-digest": sha256(MANIFEST) };
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

describe("manifests", () => {
  const descriptor = describeBytes(MANIFEST, TYPE);

  test.each([
    ["app", "latest"],
    ["app:v1", "v1"],
    [`app@${descriptor.digest}`, descriptor.digest],
    [`app:v1@${descriptor.digest}`, "v1"],
  ])("%s", async (name, path) => {
    let body: Buffer | undefined;
    registry.script = take({
      PUT: async (request, response) => {
        body = await bodyOf(request);
        response.writeHead(201, { "docker-content-digest": descriptor.digest }).end();
      },
    });
    const sink = await open(name);
    await sink.putManifest(descriptor, MANIFEST);
    await sink.finish();
    expect(registry.lines()).toEqual([`PUT /v2/app/manifests/${path}`]);
    expect(registry.seen[0]?.headers).toMatchObject({ "content-type": TYPE, "content-length": `${MANIFEST.length}` });
    expect(body).toEqual(MANIFEST);
  });

  test("again after a passing fault", async () => {
    registry.script = take({
      PUT: (_, response) => response.writeHead(registry.seen.length < 3 ? 503 : 201).end(),
    });
    await (await open()).putManifest(descriptor, MANIFEST);
    expect(methods()).toEqual(["PUT", "PUT", "PUT"]);
  });

  test.each<[string, string, typeof descriptor, Record<string, string>, number]>([
    ["bytes of another digest", "app", { ...descriptor, digest: FACTS.digest }, {}, 0],
    ["the reference has another digest", `app@${FACTS.digest}`, descriptor, {}, 0],
    ["the registry stored another", "app", descriptor, { "docker-content-digest": FACTS.digest }, 1],
  ])("%s", async (_, name, manifest, headers, requests) => {
    registry.script = take({ PUT: (_request, response) => response.writeHead(201, headers).end() });
    expect(await codeFrom((await open(name)).putManifest(manifest, MANIFEST))).toBe("BLOB_DIGEST_MISMATCH");
    expect(registry.seen).toHaveLength(requests);
  });

  test("refused", async () => {
    const body = JSON.stringify({ errors: [{ code: "MANIFEST_BLOB_UNKNOWN", message: "blob unknown" }] });
    registry.script = take({ PUT: (_, response) => response.writeHead(400).end(body) });
    expect(await codeFrom((await open()).putManifest(descriptor, MANIFEST))).toBe("TRANSPORT");
  });
});

test("mirrors and other locations do not count", async () => {
  const conf = `[[registry]]\nprefix = "${registry.host}"\nlocation = "127.0.0.1:1"\ninsecure = true\n
[[registry.mirror]]\nlocation = "127.0.0.1:2"\n`;
  const sink = await openRegistrySink(`docker://${registry.host}/app`, optionsFor([], { conf }));
  sinks.push(sink);
  await sink.putManifest(describeBytes(MANIFEST, TYPE), MANIFEST);
  expect(registry.seen).toHaveLength(1);
});

test("a blocked registry", async () => {
  const conf = `[[registry]]\nlocation = "${registry.host}"\nblocked = true\n`;
  const opening = openRegistrySink(`docker://${registry.host}/app`, optionsFor([], { conf }));
  expect(await codeFrom(opening)).toBe("TRANSPORT");
});

describe("a manifest about another one", () => {
  const SUBJECT = sha256(Buffer.from("the image"));
  const OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json";
  const OCI_INDEX = "application/vnd.oci.image.index.v1+json";
  const referrer = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      artifactType: "application/spdx+json",
      subject: { mediaType: OCI_MANIFEST, digest: SUBJECT, size: 9 },
    }),
  );
  const descriptor = { mediaType: OCI_MANIFEST, digest: sha256(referrer), size: referrer.length };
  const entry = { ...descriptor, artifactType: "application/spdx+json" };
  const fallback = `/v2/app/manifests/${SUBJECT.replace(":", "-")}`;
  const other = { mediaType: OCI_MANIFEST, digest: sha256(Buffer.from("another")), size: 3, annotations: { a: "b" } };

  async function pushed(present: object | null, headers: Record<string, string> = {}): Promise<[string, unknown][]> {
    const puts: [string, unknown][] = [];
    registry.script = take({
      GET: (_, response) => {
        if (present === null) response.writeHead(404).end();
        else response.writeHead(200, { "content-type": OCI_INDEX }).end(JSON.stringify(present));
      },
      PUT: async (request, response) => {
        const body = await bodyOf(request);
        puts.push([request.url, JSON.parse(body.toString())]);
        response.writeHead(201, { "docker-content-digest": sha256(body), ...headers }).end();
      },
    });
    const sink = await open();
    await sink.putReferrer(descriptor, referrer);
    return puts;
  }

  test.each<[string, object | null, object[]]>([
    ["no list yet", null, [entry]],
    ["a list", { schemaVersion: 2, mediaType: OCI_INDEX, manifests: [other] }, [other, entry]],
  ])(
    "is listed under the fallback tag by a client of a registry without the API: %s",
    async (_, present, manifests) => {
      expect(await pushed(present)).toEqual([
        [`/v2/app/manifests/${descriptor.digest}`, JSON.parse(referrer.toString())],
        [fallback, { schemaVersion: 2, mediaType: OCI_INDEX, manifests }],
      ]);
    },
  );

  test("is listed once", async () => {
    expect(await pushed({ schemaVersion: 2, mediaType: OCI_INDEX, manifests: [other, entry] })).toHaveLength(1);
  });

  test("is left to a registry that lists it", async () => {
    expect(await pushed(null, { "oci-subject": SUBJECT })).toHaveLength(1);
  });
});
