import { expect, test } from "vitest";
import { parseTransport } from "../../src/pull/transport.ts";
import { codeOf } from "../code-of.ts";

test.each([
  ["containers-storage:app", "containers-storage", "app"],
  [
    "containers-storage:[overlay@/g+/r]localhost/app:latest",
    "containers-storage",
    "[overlay@/g+/r]localhost/app:latest",
  ],
  ["oci:/srv/x:tag", "oci", "/srv/x:tag"],
  ["docker://quay.io/a/b", "docker", "quay.io/a/b"],
])("%s", (reference, transport, rest) => expect(parseTransport(reference)).toEqual({ transport, rest }));

// oci.md §1.1
test.each([
  "",
  "app",
  ":app",
  ":",
  "containers-storage:",
  "oci:",
  "docker://",
  "docker:quay.io/x",
  "DOCKER://quay.io/x",
  "OCI:x",
  "ocidir:x",
  "bogus:x",
  "localhost:5000/app",
])("'%s' is refused", (reference) => {
  expect(codeOf(() => parseTransport(reference))).toBe("TRANSPORT");
});
