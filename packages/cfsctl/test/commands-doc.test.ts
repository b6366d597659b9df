import { readFileSync } from "node:fs";
import { beforeAll, describe, expect, test } from "vitest";
import { runCli } from "../src/main.ts";
import { fakeIo } from "./fake-io.ts";

const DOCUMENT = readFileSync(new URL("../../../docs/commands.md", import.meta.url), "utf8");
const PROGRAMS = ["mkcomposefs", "composefs-info", "mount.composefs"];

interface Help {
  readonly name: string;
  readonly text: string;
  /** Long options, `--help` left out. */
  readonly options: readonly string[];
}

async function help(...command: string[]): Promise<string> {
  const io = fakeIo();
  expect(await runCli([...command, "--help"], io), command.join(" ")).toBe(0);
  return io.stdout.text;
}

/** Names in a help's list of commands; an alias stands behind a bar. */
function subcommands(text: string): string[] {
  const list = /^Commands:\n((?: .*\n?)*)/m.exec(text)?.[1] ?? "";
  return [...list.matchAll(/^ {2}([a-z][a-z-]*)/gm)].flatMap(([, name]) => (name && name !== "help" ? [name] : []));
}

/** Long options at the start of the lines of a help's list. */
function optionsOf(text: string): string[] {
  const list = /^Options:\n((?: .*\n?)*)/m.exec(text)?.[1] ?? "";
  const names = [...list.matchAll(/^ {2}(?:-\w, )?(--[a-z-]+)/gm)].map(([, name]) => name as string);
  return names.filter((name) => name !== "--help");
}

/** Every command and program with its help, those with commands of their own only for what they do themselves. */
async function commands(): Promise<Help[]> {
  const found: Help[] = [];
  const visit = async (path: string[]): Promise<void> => {
    const text = await help(...path);
    const below = subcommands(text);
    // A group such as `oci` does nothing; `images` has an action, too, and therefore options.
    if (below.length === 0 || optionsOf(text).length > 0) {
      if (path.length > 0) found.push({ name: `cfsctl ${path.join(" ")}`, text, options: optionsOf(text) });
    }
    for (const name of below) await visit([...path, name]);
  };
  await visit([]);
  for (const name of PROGRAMS) {
    const text = await help(name);
    const options = new Set(optionsOf(text));
    for (const below of subcommands(text)) for (const option of optionsOf(await help(name, below))) options.add(option);
    options.delete("--version");
    found.push({ name, text, options: [...options] });
  }
  return found;
}

/** Sections of the document by what their headings begin with, arguments left out. */
function sections(): Map<string, string> {
  const parts = DOCUMENT.split(/^### `/m).slice(1);
  return new Map(
    parts.map((part) => {
      const heading = part.slice(0, part.indexOf("`"));
      const name = heading.replace(/ (?:\[?[A-Z]|ls\|).*$/, "");
      return [name, part.split(/^## /m)[0] as string];
    }),
  );
}

describe("docs/commands.md", () => {
  let all: Help[];
  beforeAll(async () => {
    all = await commands();
  });

  test("has every command of --help, and no other", () => {
    expect([...sections().keys()].sort()).toEqual(all.map(({ name }) => name).sort());
  });

  test("has every option of every command, and no other", () => {
    const documented = sections();
    for (const { name, options } of all) {
      const text = (documented.get(name) ?? "").replace(/```[\s\S]*?```/g, "");
      const mentioned = new Set([...text.matchAll(/--[a-z][a-z-]+/g)].map(([option]) => option));
      mentioned.delete("--help");
      expect([...mentioned].sort(), name).toEqual([...options].sort());
    }
  });

  test("has the global options", async () => {
    const table = DOCUMENT.slice(DOCUMENT.indexOf("## Global options"), DOCUMENT.indexOf("## Names"));
    const mentioned = [...table.matchAll(/--[a-z][a-z-]+/g)].map(([option]) => option);
    expect(mentioned.sort()).toEqual(optionsOf(await help()).sort());
  });

  test("D11: refs are spelled as they work everywhere", () => {
    for (const text of [DOCUMENT, ...all.map((command) => command.text)]) expect(text).not.toMatch(/\bref\/[<A-Z]/);
  });
});
