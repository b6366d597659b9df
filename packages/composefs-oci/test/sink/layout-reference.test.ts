import { expect, test } from "vitest";
import { parseLayoutReference } from "../../src/sink/layout-reference.ts";
import { codeOf } from "../code-of.ts";

test.each([
  ["oci:dir", { transport: "oci", path: "dir", tag: null }],
  ["oci:/a/b:1.0", { transport: "oci", path: "/a/b", tag: "1.0" }],
  ["oci:a:b:c", { transport: "oci", path: "a:b", tag: "c" }],
  ["oci:/a:1/b", { transport: "oci", path: "/a:1/b", tag: null }],
  ["oci:x:a--b_c.d@e+f", { transport: "oci", path: "x", tag: "a--b_c.d@e+f" }],
  ["oci-archive:/a/b.tar", { transport: "oci-archive", path: "/a/b.tar", tag: null }],
  ["oci-archive:b.tar:v1", { transport: "oci-archive", path: "b.tar", tag: "v1" }],
  ["oci:a\nb:t", { transport: "oci", path: "a\nb", tag: "t" }],
])("%s", (reference, expected) => expect(parseLayoutReference(reference)).toEqual(expected));

test.each([
  ["TRANSPORT", "docker://x"],
  ["TRANSPORT", "OCI:x"],
  ["TRANSPORT", "dir"],
  ["TRANSPORT", "oci:"],
  ["TRANSPORT", "oci::tag"],
  ["TRANSPORT", "oci:a\0b"],
  ["REF_INVALID", "oci:x:"],
  ["REF_INVALID", "oci:x:-a"],
  ["REF_INVALID", "oci:x:a-"],
  ["REF_INVALID", "oci:x:a..b"],
  ["REF_INVALID", "oci:x:a b"],
  ["REF_INVALID", "oci:x:ä"],
  ["REF_INVALID", `oci:x:${"a".repeat(256)}`],
])("%s: %s", (code, reference) => expect(codeOf(() => parseLayoutReference(reference))).toBe(code));
