import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import type { FileType } from "../../src/selinux/file-contexts.ts";
import { Labeller } from "../../src/selinux/labeller.ts";
import { WorkLimit } from "../../src/selinux/work-limit.ts";
import type { ByteString } from "../../src/tree/node.ts";
import { codeOf } from "../support.ts";

/** What composefs-rs makes of single patterns; see testdata/README.md. */
const recorded = JSON.parse(
  readFileSync(new URL("../../../../testdata/selinux/patterns.json", import.meta.url), "utf8"),
) as {
  readonly files: readonly string[];
  readonly directories: readonly string[];
  readonly patterns: readonly { readonly pattern: string; readonly matches?: readonly string[] }[];
};

/** What the reference takes, and we refuse: see parsePattern. */
const REFUSED: ReadonlySet<string> = new Set([
  "/u/a\\Rb",
  "/u/(?=.)a\\Rb",
  "/u/(?>a*)ab",
  "/u/(?R).",
  "/u/(?u).",
  "/u/(?u:\\w)",
  "/u/(a)\\1",
  "/u/\\141",
  "/u/\\pL",
  "/u/\\p{L}",
  "/u/\\C",
  "/u/\\K",
  "/u/\\X",
  "/u/(?|a|b)",
  "/u/(?(?=a)a|b)",
  "/u/[\\Qab\\E]",
  "/u/a{1000}{1000}",
  "/u/a{99999}",
  "/u/(?=.).*+",
  "/u/(?=.)a++b",
  "/u/(?=.)[[:<:]]a",
  "/u/(?=.)(?^)a",
]);

const rule = (regex: string, context: string | null = "M", type: FileType | null = null, line = 1) => ({
  path: "file_contexts",
  line,
  regex,
  type,
  context,
});

/** The recorded paths that a pattern takes, sorted. */
function matches(regex: string): string[] {
  const labeller = new Labeller([rule(regex)]);
  const places = [
    ...recorded.files.map((path) => ({ path, type: "-" }) as const),
    ...recorded.directories.map((path) => ({ path, type: "d" }) as const),
  ];
  return places
    .filter(({ path, type }) => labeller.label(path as ByteString, type) !== null)
    .map(({ path }) => path)
    .sort();
}

describe("a pattern", () => {
  test("is recorded of every kind", () => {
    const known = new Set(recorded.patterns.map(({ pattern }) => pattern));
    expect(known.size).toBeGreaterThan(250);
    expect([...REFUSED].filter((pattern) => !known.has(pattern))).toEqual([]);
  });

  test.each(recorded.patterns.filter(({ matches: taken, pattern }) => taken && !REFUSED.has(pattern)))(
    "$pattern matches what it does in the reference",
    ({ pattern, matches: expected }) => {
      // The files of the policy itself are there too in the reference's tree.
      expect(matches(pattern)).toEqual(expected?.filter((path) => !path.startsWith("/etc/")));
    },
  );

  test.each([...REFUSED])("%s is refused", async (pattern) => {
    expect(await codeOf(async () => matches(pattern))).toBe("SELINUX_UNSUPPORTED");
  });

  test.each(recorded.patterns.filter(({ matches: taken }) => taken === undefined))(
    "$pattern is an error here too",
    async ({ pattern }) => {
      expect(await codeOf(async () => matches(pattern))).toMatch(/^SELINUX_(POLICY_INVALID|UNSUPPORTED)$/);
    },
  );
});

describe("a labeller", () => {
  const label = (labeller: Labeller, path: string, type: FileType = "-"): string | null => {
    const bytes = labeller.label(path as ByteString, type);
    return bytes === null ? null : Buffer.from(bytes).toString();
  };

  test("takes the last rule, look-around or not", () => {
    const labeller = new Labeller([
      rule("/a/.*", "first"),
      rule("/a/(?!b).*", "second"),
      rule("/a/c", "third"),
      rule("/a/\\bd", "fourth", "d"),
      rule("/a/e", null),
      rule("/a/f.*", "fifth"),
    ]);
    expect(label(labeller, "/a/b")).toBe("first");
    expect(label(labeller, "/a/x")).toBe("second");
    expect(label(labeller, "/a/c")).toBe("third");
    expect(label(labeller, "/a/d")).toBe("second");
    expect(label(labeller, "/a/d", "d")).toBe("fourth");
    expect(label(labeller, "/a/e")).toBe(null);
    expect(label(labeller, "/a/ff")).toBe("fifth");
    expect(label(labeller, "/b")).toBe(null);
  });

  test("without rules has no labels", () => {
    expect(label(new Labeller([]), "/")).toBe(null);
  });

  test("names file and line of a bad pattern", async () => {
    const labeller = async () => new Labeller([rule("/a"), rule("/b(", "x", null, 7)]);
    await expect(labeller()).rejects.toMatchObject({
      code: "SELINUX_POLICY_INVALID",
      details: { path: "file_contexts", line: 7 },
    });
  });

  test.each([
    "/(a*)*(a*)*(a*)*b",
    "/(a|a)*(a|aa)*b",
    "/((a{0,13}){0,13}){0,13}b",
    "/(?!(a*)*(a*)*c)(a*)*b",
    "/.*\\b(a|a)*\\bb",
  ])("%s costs a long path no more than its length", (regex) => {
    const limit = new WorkLimit(30_000_000);
    const labeller = new Labeller([rule(regex)], limit);
    expect(label(labeller, `/${"a".repeat(2000)}`)).toBe(null);
    expect(label(labeller, `/${"a".repeat(2000)}b`)).toBe(regex.endsWith("\\bb") ? null : "M");
  });

  test("gives up when the patterns are too much work", async () => {
    const labeller = new Labeller([rule("/.*a.{100}.*b.{100}.*c.{100}")], new WorkLimit(10_000));
    const path = `/${"abcabbcacbab".repeat(300)}`;
    expect(await codeOf(async () => label(labeller, path))).toBe("SELINUX_UNSUPPORTED");
    const looking = new Labeller([rule("/((?=.*x).)*")], new WorkLimit(10_000));
    expect(await codeOf(async () => label(looking, path))).toBe("SELINUX_UNSUPPORTED");
  });

  test("throws states away when there are too many, and goes on", () => {
    // It remembers where among the last 100 bytes there was an a: nearly every byte makes a new state of some 50 members.
    const labeller = new Labeller([rule("/[ab]*a[ab]{99}")]);
    let random = 1;
    for (let i = 0; i < 50; i++) {
      let text = "";
      for (let j = 0; j < 4000; j++) {
        random = (random * 48271) % 2147483647;
        text += random % 2 === 0 ? "a" : "b";
      }
      expect(label(labeller, `/${text}`)).toBe(text.at(-100) === "a" ? "M" : null);
    }
  });
});

describe("a pattern made to exhaust", () => {
  test.each<[string, string, string]>([
    ["many repetitions of one item", `/a${"*".repeat(5000)}`, "SELINUX_POLICY_INVALID"],
    ["options of options", `/a${"?".repeat(5000)}`, "SELINUX_POLICY_INVALID"],
    [
      "repetitions in repetitions",
      `/${"(".repeat(200)}a${")**".repeat(200)}${"*".repeat(100)}`,
      "SELINUX_POLICY_INVALID",
    ],
    ["a long quotation", `/\\Q${"a".repeat(200_000)}\\E`, "SELINUX_UNSUPPORTED"],
    ["alternatives behind", `/(?<=${"a|".repeat(200_000)}a)b`, "SELINUX_UNSUPPORTED"],
    ["a long class", `/[${"a-z".repeat(100_000)}]`, "SELINUX_UNSUPPORTED"],
  ])("is refused, with little to repeat: %s", async (_, regex, code) => {
    expect(await codeOf(() => new Labeller([rule(regex)]))).toBe(code);
    try {
      new Labeller([rule(regex)]);
    } catch (error) {
      expect(JSON.stringify(error).length).toBeLessThan(2000);
    }
  });

  test("equal classes count once", () => {
    const labeller = new Labeller(Array.from({ length: 200 }, () => rule(`/${"[ab][bc]".repeat(100)}`)));
    expect(labeller.label(`/${"ab".repeat(100)}` as ByteString, "-")).not.toBe(null);
  });
});
