import type { ServerResponse } from "node:http";
import { describe, expect, test } from "vitest";
import type { BlobSource } from "../../src/source/blob-source.ts";
import {
  BLOB,
  BLOB_DESCRIPTOR,
  blobRequests,
  blobs,
  failure,
  MANIFEST,
  manifests,
  open,
  other,
  registry,
  serveAll,
} from "./registry-fixture.ts";
import {
  codeFrom,
  collect,
  describeBytes,
  everythingSaid,
  passwordFor,
  type Script,
  type Seen,
  sha256,
} from "./scripted-registry.ts";

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
    const source = await open("team/app:v1", { idleMs: 400 });
    for await (const piece of source.readBlob(BLOB_DESCRIPTOR)) {
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
