import { describe, expect, test } from "vitest";
import { openRegistrySink } from "../../src/registry/open-registry.ts";
import { FACTS, methods, open, registry, take } from "./registry-sink-fixture.ts";
import { bodyOf, codeFrom, describeBytes, optionsFor, sha256 } from "./scripted-registry.ts";

const TYPE = "application/vnd.docker.distribution.manifest.v2+json";
const MANIFEST = Buffer.from('{"schemaVersion":2}');

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
  await sink.putManifest(describeBytes(MANIFEST, TYPE), MANIFEST);
  await sink.close();
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
