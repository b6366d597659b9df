import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { parseDumpfileBytes } from "../../src/dumpfile/parse.ts";
import { writeDumpfile } from "../../src/dumpfile/write.ts";
import { labelBootTree } from "../../src/selinux/label-tree.ts";
import type { Directory } from "../../src/tree/node.ts";
import { prepareBootTree } from "../../src/tree/prepare.ts";
import { codeOf } from "../support.ts";

/** What composefs-rs makes of directories with a policy; see testdata/README.md. */
const { policies } = JSON.parse(
  readFileSync(new URL("../../../../testdata/selinux/policies.json", import.meta.url), "utf8"),
) as {
  readonly policies: readonly {
    readonly name: string;
    /** Content of the files of the policy, a character per byte. */
    readonly files: Readonly<Record<string, string>>;
    readonly before: string;
    readonly after?: string;
    readonly error?: string;
  }[];
};

const ID = "1c436d1c7740143ef811f2e6f1e86ef7db463095aa218ada3fb4c88732397ee6";

function parse(text: string): Directory {
  return parseDumpfileBytes(Buffer.from(text, "latin1"), { hash: "sha256" });
}

describe("a recorded directory", () => {
  const label = async ({ before, files }: (typeof policies)[number]): Promise<string> => {
    const root = parse(before);
    prepareBootTree(root);
    await labelBootTree(root, async (_, path) => Buffer.from(files[path] ?? "", "latin1"));
    return [...writeDumpfile(root, { losses: "write" })].join("");
  };

  test.each(policies.filter(({ after }) => after !== undefined))(
    "gets the labels of the reference: $name",
    async (it) => {
      expect(await label(it)).toBe(it.after);
    },
  );

  test.each(policies.filter(({ after }) => after === undefined))("is refused: $name", async (it) => {
    expect(await codeOf(() => label(it))).toMatch(/^(SELINUX_POLICY_INVALID|TREE_INVALID)$/);
  });

  test("is there of both kinds", () => {
    expect(policies.filter(({ error }) => error !== undefined).length).toBeGreaterThan(20);
    expect(policies.filter(({ after }) => after?.includes("security.selinux=")).length).toBeGreaterThan(40);
  });
});

describe("a tree", () => {
  const directory = (path: string): string => `${path} 0 40700 2 0 0 0 1.1 - - - security.selinux=d`;
  const CONFIG = "/etc/selinux/config";
  const inline = (text: string, path: string = CONFIG): string =>
    `${path} ${text.length} 100644 1 0 0 0 1.1 - ${text.replaceAll("\n", "\\n").replaceAll(" ", "\\x20")} -`;
  const tree = (...lines: string[]): Directory =>
    parse(["/ 0 40755 2 0 0 0 0.0 - - - security.selinux=a user.b=c", ...lines].join("\n"));
  const parents = [directory("/etc"), directory("/etc/selinux")];
  const nothingRead = () => Promise.reject(new Error("no object is to be read"));

  test.each<[string, string[]]>([
    ["no /etc", []],
    ["no /etc/selinux", [directory("/etc")]],
    ["no config", parents],
    ["no type", [...parents, inline("SELINUX=disabled\n")]],
  ])("without a policy (%s) loses every label, and nothing else", async (_, lines) => {
    const root = tree(...lines);
    await labelBootTree(root, nothingRead);
    const text = [...writeDumpfile(root)].join("");
    expect(text).not.toContain("security.selinux");
    expect(text).toMatch(/^\/ 0 40755 .* user\.b=c\n/);
  });

  test("has its files read from objects where they are, each by its id and path", async () => {
    const object = (path: string): string =>
      `${path} 200 100644 1 0 0 0 1.1 ${ID.slice(0, 2)}/${ID.slice(2)} - ${ID} security.selinux=old`;
    const files = "/etc/selinux/mls/contexts/files";
    const above = [files, "/etc/selinux/mls/contexts", "/etc/selinux/mls"].reverse().map(directory);
    const root = tree(
      ...parents,
      object(CONFIG),
      ...above,
      object(`${files}/file_contexts`),
      inline("/ b\n", `${files}/file_contexts.local`),
    );
    const read: string[] = [];
    await labelBootTree(root, async (id, path) => {
      expect(id).toBe(ID);
      read.push(path);
      return Buffer.from(path === CONFIG ? "SELINUXTYPE=mls" : "/ a\n/etc.* e\n");
    });
    expect(read).toEqual([CONFIG, `${files}/file_contexts`]);
    const lines = [...writeDumpfile(root)].join("").trimEnd().split("\n");
    expect(lines[0]).toMatch(/ security\.selinux=b user\.b=c$/);
    expect(lines.slice(1).filter((line) => !line.endsWith(" security.selinux=e"))).toEqual([]);
  });

  test.each(["/etc", "/etc/selinux", CONFIG, "/etc/selinux/t", "/etc/selinux/t/contexts/files/file_contexts.subs"])(
    "with a symlink for %s is refused: the reference does so in images, and follows it in directories",
    async (path) => {
      const files = "/etc/selinux/t/contexts/files";
      const all = [
        ...parents,
        inline("SELINUXTYPE=t\n"),
        directory("/etc/selinux/t"),
        directory("/etc/selinux/t/contexts"),
        directory(files),
        inline("/ a\n", `${files}/file_contexts`),
        inline("/a /b\n", `${files}/file_contexts.subs`),
      ].filter((line) => line.split(" ")[0] !== path && !line.startsWith(`${path}/`));
      const root = tree(...all, `${path} 1 120777 1 0 0 0 1.1 x - -`);
      expect(await codeOf(() => labelBootTree(root, nothingRead))).toBe("TREE_INVALID");
    },
  );

  test.each(["..", ".", "a/b", "/etc/selinux/t", "t\0"])("whose policy is called %j is refused", async (name) => {
    const root = tree(
      ...parents,
      inline(`SELINUXTYPE=${name}`.replace("\0", "\\x00")).replace(/^(\S+) \d+/, `$1 ${12 + name.length}`),
    );
    expect(await codeOf(() => labelBootTree(root, nothingRead))).toBe("SELINUX_POLICY_INVALID");
  });

  test("with a policy too large to read is refused before it is read", async () => {
    const root = tree(...parents, `${CONFIG} ${2 ** 40} 100644 1 0 0 0 1.1 ${ID.slice(0, 2)}/${ID.slice(2)} - ${ID}`);
    expect(await codeOf(() => labelBootTree(root, nothingRead))).toBe("SELINUX_POLICY_INVALID");
  });

  test.each<[string, string, string]>([
    ["of 200,001 rules", "/ x\n".repeat(200_001), "SELINUX_UNSUPPORTED"],
    ["of empty lines and comments", "\n#\n".repeat(1_000_000), "none"],
  ])("with a policy %s ends soon", async (_, text, code) => {
    const files = "/etc/selinux/t/contexts/files";
    const above = ["/etc/selinux/t", "/etc/selinux/t/contexts", files].map(directory);
    const object = `${files}/file_contexts ${text.length} 100644 1 0 0 0 1.1 ${ID.slice(0, 2)}/${ID.slice(2)} - ${ID}`;
    const root = tree(...parents, inline("SELINUXTYPE=t\n"), ...above, object);
    expect(await codeOf(() => labelBootTree(root, async () => Buffer.from(text)))).toBe(code);
  });
});
