import { Command } from "commander";
import { expect, test } from "vitest";
import { loadCommands } from "../../src/commands/load-commands.ts";
import type { Context } from "../../src/context.ts";
import { Output } from "../../src/io.ts";
import { fakeIo } from "../fake-io.ts";

/** Names and aliases of the commands that a line gets, those of `oci` behind its name. */
async function loaded(...argv: string[]): Promise<string[]> {
  const program = new Command();
  const io = fakeIo();
  const context: Context = { ...io, output: new Output(io.stdout), globals: () => ({ upgrade: true }) };
  for (const add of await loadCommands(argv)) add(program, context);
  return program.commands.flatMap((command) => [
    ...namesOf(command),
    ...(command.name() === "oci" ? command.commands.flatMap(namesOf).map((name) => `oci ${name}`) : []),
  ]);
}

function namesOf(command: Command): string[] {
  return [command.name(), ...command.aliases()];
}

const ALL = await loaded("--help");

test("all of them for help, and for a line with no command's name", async () => {
  expect(ALL).toContain("gc");
  expect(ALL).toContain("oci pull");
  for (const argv of [[], ["help"], ["gc", "-h"], ["oci", "help", "pull"], ["nonsense"]]) {
    expect(await loaded(...argv), argv.join(" ")).toEqual(ALL);
  }
  const ofOci = ALL.filter((name) => name === "oci" || name.startsWith("oci "));
  expect(await loaded("oci", "nonsense")).toEqual(ofOci);
});

test("each by its name, and by its alias", async () => {
  for (const name of ALL.filter((name) => name !== "oci")) {
    const found = await loaded(...name.split(" "));
    expect(found, name).toContain(name);
    // Besides it one of the same name, an alias of that, and `oci`.
    expect(found.length, name).toBeLessThanOrEqual(4);
  }
});

test("only those whose names are among the words", async () => {
  expect(await loaded("--repo", "init", "gc")).toEqual(["init", "gc"]);
  expect(await loaded("--repo", "x", "oci", "pull", "dir:x")).toEqual(["oci", "oci pull"]);
  expect(await loaded("--version")).toEqual([]);
});
