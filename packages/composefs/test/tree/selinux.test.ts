import { expect, test } from "vitest";
import { parseDumpfileBytes } from "../../src/dumpfile/parse.ts";
import { writeDumpfile } from "../../src/dumpfile/write.ts";
import type { Directory } from "../../src/tree/node.ts";
import { labelBootTree, selinuxPolicy } from "../../src/tree/selinux.ts";
import { codeOf } from "../support.ts";

const ID = "1c436d1c7740143ef811f2e6f1e86ef7db463095aa218ada3fb4c88732397ee6";

function tree(...lines: string[]): Directory {
  const text = ["/ 0 40755 2 0 0 0 0.0 - - - security.selinux=a user.b=c", ...lines].join("\n");
  return parseDumpfileBytes(Buffer.from(text), { hash: "sha256" });
}

const directory = (path: string): string => `${path} 0 40700 2 0 0 0 1.1 - - - security.selinux=d`;
const CONFIG = "/etc/selinux/config";
const inline = (text: string): string =>
  `${CONFIG} ${text.length} 100644 1 0 0 0 1.1 - ${text.replaceAll("\n", "\\n")} -`;
const nothingRead = () => Promise.reject(new Error("no object is to be read"));

test.each<[string, string | null]>([
  ["", null],
  ["SELINUX=enforcing\n", null],
  ["SELINUXTYPE\n", null],
  ["# SELINUXTYPE=no\nSELINUXTYPE=targeted\n", "targeted"],
  [" selinuxType\t=  mls \r\nSELINUXTYPE=other", "mls"],
  ["XSELINUXTYPE=x\nSELINUXTYPE=a=b", "a=b"],
  ["SELINUXTYPE=", ""],
])("policy of %j", (text, policy) => {
  expect(selinuxPolicy(Buffer.from(text))).toBe(policy);
});

test.each<[string, string[]]>([
  ["no /etc", []],
  ["no /etc/selinux", [directory("/etc")]],
  ["no config", [directory("/etc"), directory("/etc/selinux")]],
  ["a directory", [directory("/etc"), directory("/etc/selinux"), directory(CONFIG)]],
  ["no type", [directory("/etc"), directory("/etc/selinux"), inline("SELINUX=disabled\n")]],
])("without a policy (%s) no label stays, and all else does", async (_, lines) => {
  const root = tree(...lines);
  await labelBootTree(root, nothingRead);
  const text = [...writeDumpfile(root)].join("");
  expect(text).not.toContain("security.selinux");
  expect(text).toMatch(/^\/ 0 40755 .* user\.b=c\n/);
});

test("a policy is refused, whether its name is in the tree or in an object", async () => {
  const parents = [directory("/etc"), directory("/etc/selinux")];
  const code = (line: string, content = "") =>
    codeOf(() =>
      labelBootTree(tree(...parents, line), async (id, path) => {
        expect([id, path]).toEqual([ID, CONFIG]);
        return Buffer.from(content);
      }),
    );
  const external = `${CONFIG} 200 100644 1 0 0 0 1.1 ${ID.slice(0, 2)}/${ID.slice(2)} - ${ID}`;
  expect(await code(inline("SELINUXTYPE=x"))).toBe("SELINUX_UNSUPPORTED");
  expect(await code(external, "SELINUXTYPE=x")).toBe("SELINUX_UNSUPPORTED");
  expect(await code(external, "SELINUX=x")).toBe("none");
  expect(await code(`${CONFIG} 1 120777 1 0 0 0 1.1 x - -`)).toBe("TREE_INVALID");
});
