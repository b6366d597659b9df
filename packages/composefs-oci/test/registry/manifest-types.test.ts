import { expect, test } from "vitest";
import { manifestType } from "../../src/registry/manifest-types.ts";

const OCI = "application/vnd.oci.image.manifest.v1+json";
const INDEX = "application/vnd.oci.image.index.v1+json";
const DOCKER = "application/vnd.docker.distribution.manifest.v2+json";

test.each([
  [OCI, "{}", OCI],
  [`${DOCKER}; charset=utf-8`, "{}", DOCKER],
  ["Application/Vnd.OCI.Image.Index.v1+JSON", "{}", INDEX],
  [
    "application/vnd.docker.distribution.manifest.v1+prettyjws",
    "{}",
    "application/vnd.docker.distribution.manifest.v1+prettyjws",
  ],
  [undefined, `{"mediaType":"${DOCKER}"}`, DOCKER],
  ["application/json", `{"mediaType":"${DOCKER}"}`, DOCKER],
  ["text/plain; charset=utf-8", '{"manifests":[]}', INDEX],
  ["application/octet-stream", '{"config":{}}', OCI],
  ["", '{"mediaType":7}', OCI],
  ["", "null", OCI],
  ["", "no JSON", OCI],
])("%s and %s: %s", (header, body, expected) => expect(manifestType(header, Buffer.from(body))).toBe(expected));
