import { Command } from "commander";
import { expect, test } from "vitest";
import { globalOptions, valueOption } from "../src/options.ts";

function parse(options: readonly ReturnType<typeof valueOption>[], args: readonly string[]): Record<string, unknown> {
  const command = new Command().exitOverride().configureOutput({ writeErr: () => undefined });
  for (const option of options) command.addOption(option);
  return command.parse(args, { from: "user" }).opts();
}

const option = (): ReturnType<typeof valueOption> => valueOption("--how <how>", "how", ["one", "two"]);

test.each<[string[], object]>([
  [[], {}],
  [["--how", "one"], { how: "one" }],
  [["--how=two"], { how: "two" }],
])("%j", (args, expected) => expect(parse([option()], args)).toEqual(expected));

test.each<[string[]]>([
  [["--how"]],
  [["--how", "three"]],
  [["--how", ""]],
  [["--how=one", "--how=two"]],
  [["--how=one", "--how=one"]],
])("%j is refused", (args) => expect(() => parse([option()], args)).toThrow());

test("without choices any value will do, once", () => {
  const any = (): ReturnType<typeof valueOption> => valueOption("--path <path>", "where");
  expect(parse([any()], ["--path", ""])).toEqual({ path: "" });
  expect(() => parse([any()], ["--path", "a", "--path", "a"])).toThrow();
});

test.each<[string[], object]>([
  [[], { upgrade: true }],
  [["--repo", "r"], { repo: "r", upgrade: true }],
  [["--no-repo"], { repo: false, upgrade: true }],
  [["--user", "--hash", "sha256"], { user: true, hash: "sha256", upgrade: true }],
  [["--system", "--erofs-version=2"], { system: true, erofsVersion: "2", upgrade: true }],
  [["--no-upgrade", "--insecure", "--require-verity"], { upgrade: false, insecure: true, requireVerity: true }],
])("global options %j", (args, expected) => expect(parse(globalOptions(), args)).toEqual(expected));

test.each<[string[]]>([
  [["--repo", "r", "--user"]],
  [["--system", "--repo", "r"]],
  [["--user", "--system"]],
  [["--hash", "md5"]],
  [["--erofs-version", "3"]],
])("global options %j are refused", (args) => expect(() => parse(globalOptions(), args)).toThrow());
