import { describe, expect, test } from "vitest";
import { imageName, parseRegistryReference } from "../../src/registry/reference.ts";
import { codeOf } from "../code-of.ts";

const DIGEST = `sha256:${"ab".repeat(32)}`;

// Full names as podman and skopeo print them for these ("Trying to pull …", "Error reading manifest … in …").
test.each([
  ["docker://alpine", "docker.io/library/alpine:latest"],
  ["registry:alpine", "docker.io/library/alpine:latest"],
  ["docker://alpine:3.20", "docker.io/library/alpine:3.20"],
  ["docker://team/app", "docker.io/team/app:latest"],
  ["docker://docker.io/alpine", "docker.io/library/alpine:latest"],
  ["docker://index.docker.io/alpine", "docker.io/library/alpine:latest"],
  ["docker://docker.io/team/app", "docker.io/team/app:latest"],
  ["docker://quay.io/app", "quay.io/app:latest"],
  ["docker://quay.io/a/b/c/d:v1", "quay.io/a/b/c/d:v1"],
  ["docker://localhost/app", "localhost/app:latest"],
  ["docker://localhost:5000/app:v1", "localhost:5000/app:v1"],
  ["docker://registry:5000/app", "registry:5000/app:latest"],
  ["docker://REGISTRY/app", "REGISTRY/app:latest"],
  ["docker://[::1]:5000/app", "[::1]:5000/app:latest"],
  ["docker://10.0.0.1/app", "10.0.0.1/app:latest"],
  [`docker://app@${DIGEST}`, `docker.io/library/app@${DIGEST}`],
  [`docker://quay.io/app:v1@${DIGEST}`, `quay.io/app:v1@${DIGEST}`],
  ["docker://quay.io/a__b/c.d/e---f_g", "quay.io/a__b/c.d/e---f_g:latest"],
  ["docker://quay.io/app:_V.1-x", "quay.io/app:_V.1-x"],
  [`docker://quay.io/${"a".repeat(255)}`, `quay.io/${"a".repeat(255)}:latest`],
  [`docker://quay.io/app:${"t".repeat(128)}`, `quay.io/app:${"t".repeat(128)}`],
])("%s", (reference, expected) => {
  expect(imageName(parseRegistryReference(reference))).toBe(expected);
});

describe("refused", () => {
  test.each([
    ["docker:alpine"],
    ["oci:dir"],
    ["alpine"],
    ["docker://"],
    ["docker://App"],
    ["docker://quay.io/App"],
    ["docker://quay.io/"],
    ["docker://quay.io//app"],
    ["docker://quay.io/app/"],
    ["docker:///app"],
    ["docker://quay.io/app:"],
    ["docker://quay.io/app:v 1"],
    ["docker://quay.io/app:-v"],
    ["docker://quay.io/app@"],
    ["docker://quay.io/app@sha256:abc"],
    ["docker://quay.io/app@md5:d41d8cd98f00b204e9800998ecf8427e"],
    [`docker://quay.io/app@${DIGEST.toUpperCase()}`],
    [`docker://quay.io/app@${DIGEST}:v1`],
    ["docker://quay.io/../etc"],
    ["docker://quay.io/a..b"],
    ["docker://quay.io/a___b"],
    ["docker://quay.io/_a"],
    ["docker://quay.io/a?b"],
    ["docker://quay.io/a#b"],
    ["docker://quay.io/a%2fb"],
    ["docker://quay.io/a\nb"],
    ["docker://quay.io/ä"],
    ["docker://user@quay.io/app"],
    ["docker://-a.io/app"],
    ["docker://a..io/app"],
    ["docker://256.1.1.1/app"],
    ["docker://[:::]/app"],
    ["docker://quay.io:0/app"],
    ["docker://quay.io:65536/app"],
    ["docker://quay.io:/app"],
    ["docker://https://quay.io/app"],
    [`docker://${"a".repeat(64)}`],
    [`docker://quay.io/${"a".repeat(256)}`],
    [`docker://quay.io/app:${"t".repeat(129)}`],
    [`docker://${"a.".repeat(200)}io/app`],
    [`docker://${"a/".repeat(100_000)}`],
  ])("%s", (reference) => {
    expect(codeOf(() => parseRegistryReference(reference))).toBe("REF_INVALID");
  });
});
