#!/usr/bin/env node
import { closeSync, existsSync, mkdirSync, mkdtempSync, openSync, rmSync, writeSync } from "node:fs";
import { register } from "node:module";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { measure } from "./measure.mjs";
import { MEASURES, median, print, printTable } from "./table.mjs";

// The test support is TypeScript, which Node before 22.18 does not run by itself.
register("./typescript-hook.mjs", import.meta.url);
const { writeBigLayer } = await import("../tests/support/big-tree.ts");

const USAGE = `usage: bench/images.mjs [--rounds N] [--cold] [--dir DIR]

Measures what is done with EROFS images, of this cfsctl and, where REFERENCE_CFSCTL names one, of the reference:
compute-id of a directory of 20,000 files (400 MB), images of dumpfiles with 20,000 and 200,000 entries, and fsck of a
repository with 20,000 objects. Prints wall time, CPU and peak memory, and fails where ids or images differ. Needs Python.

  --rounds N  measured rounds (3), each program once a round, the order changing from round to round
  --cold      empty the page cache before each run (needs root); otherwise the files are in it
  --dir DIR   where to put the files (a new directory in the temporary one)
`;
const OURS = fileURLToPath(new URL("../packages/cfsctl/bin/cfsctl.js", import.meta.url));
const BUILD_IMAGE = fileURLToPath(new URL("build-image.mjs", import.meta.url));
const FILES = 20_000;
const ENTRIES = [20_000, 200_000];
const ENTRIES_PER_DIRECTORY = 100;

function contenders() {
  const reference = process.env.REFERENCE_CFSCTL;
  const all = [
    { name: "ours", missing: existsSync(OURS) ? null : "not built (pnpm build)", command: [process.execPath, OURS] },
    { name: "reference", missing: reference ? null : "REFERENCE_CFSCTL is not set", command: [reference] },
  ];
  for (const { name, missing } of all) if (missing !== null) print(`${name}: skipped, ${missing}`);
  return all.filter(({ missing }) => missing === null);
}

/** One measurement of each program a round, after one that is not counted; `same` compares what they print. */
function race(programs, { rounds, cold }, same = () => undefined) {
  same(programs.map((program) => once(program, false).stdout));
  const results = programs.map(() => []);
  for (let round = 0; round < rounds; round += 1) {
    const order = round % 2 === 0 ? [...programs.keys()] : [...programs.keys()].reverse();
    for (const index of order) results[index].push(once(programs[index], cold));
  }
  return results;
}

function once([program, ...args], cold) {
  if (cold) {
    measure("sync", [], process.env);
    dropCaches();
  }
  return measure(program, args, process.env);
}

function dropCaches() {
  const fd = openSync("/proc/sys/vm/drop_caches", "w");
  writeSync(fd, "3");
  closeSync(fd);
}

function allSame(what) {
  return (outputs) => {
    if (new Set(outputs).size !== 1) throw new Error(`${what} differ: ${outputs.join(", ")}`);
  };
}

function benchComputeId(list, tree, options) {
  print(
    `\ncompute-id of ${FILES} files, ${options.rounds} round(s), page cache ${options.cold ? "emptied" : "warm"}\n`,
  );
  const programs = list.map(({ command }) => [...command, "--no-repo", "compute-id", tree]);
  printWithStart(list, race(programs, options, allSame("ids")), options);
}

/** The table, with a row of what is left without the time that Node takes to start and end with nothing to do. */
function printWithStart(list, results, { rounds }) {
  const times = Array.from({ length: rounds }, () => measure(process.execPath, ["-e", "0"], process.env).wall);
  const start = median(times.sort((a, b) => a - b));
  const marked = results.map((measurements, index) =>
    measurements.map((m) => ({ ...m, net: m.wall - (list[index].name === "ours" ? start : 0) })),
  );
  const label = `wall without Node's start (${start.toFixed(2)} s), s`;
  printTable(namesOf(list), [...MEASURES, [label, (m) => m.net]], marked);
}

/** mkcomposefs of both from the same dumpfiles, and the library on its own with the time of each of its two steps. */
function benchBuilding(list, dir, options) {
  const perEntry = [];
  for (const entries of ENTRIES) {
    const dumpfile = join(dir, `entries-${entries}.dump`);
    writeDumpfile(dumpfile, entries);
    print(`\nimage of a dumpfile with ${entries} entries, ${options.rounds} round(s)\n`);
    const image = (name) => join(dir, `${name}.erofs`);
    const programs = list.map(({ name, command }) => [...command, "mkcomposefs", "--from-file", dumpfile, image(name)]);
    printWithStart(list, race(programs, options), options);
    const [library] = race([[process.execPath, BUILD_IMAGE, dumpfile, image("library")]], options);
    const images = [...namesOf(list), "library"].map(image);
    allSame("images")(images.map((path) => measure("sha256sum", ["--", path], process.env).stdout.slice(0, 64)));
    const [reading, making] = [0, 1].map((index) => (m) => Number(m.stdout.split(" ")[index]));
    const steps = [
      ["reading the dumpfile, s", reading],
      ["making the image, s", making],
    ];
    print("");
    printTable(["library"], [...steps, MEASURES.at(-1)], [library]);
    perEntry.push(median(library.map(making).sort((a, b) => a - b)) / entries);
  }
  const each = perEntry.map((seconds, index) => `${(seconds * 1e6).toFixed(2)} µs for an entry of ${ENTRIES[index]}`);
  print(`\nmaking the image: ${each.join(", ")}`);
}

/** Directories of files above the inline limit, each with a digest of its own. */
function writeDumpfile(path, entries) {
  if (existsSync(path)) return;
  const fd = openSync(path, "w");
  const line = (name, size, mode, links, payload, digest) =>
    `${name} ${size} ${mode} ${links} 0 0 0 1700000000.0 ${payload} - ${digest}\n`;
  const directories = Math.ceil(entries / ENTRIES_PER_DIRECTORY);
  writeSync(fd, line("/", 4096, "40755", 2 + directories, "-", "-"));
  for (let index = 0, made = 0; made < entries; index += 1) {
    const directory = `/directory-${String(index).padStart(6, "0")}`;
    let text = line(directory, 4096, "40755", 2, "-", "-");
    made += 1;
    for (let file = 1; file < ENTRIES_PER_DIRECTORY && made < entries; file += 1, made += 1) {
      const digest = made.toString(16).padStart(8, "0").repeat(8);
      const payload = `${digest.slice(0, 2)}/${digest.slice(2)}`;
      text += line(`${directory}/file-${String(file).padStart(3, "0")}`, 100 + made, "100644", 1, payload, digest);
    }
    writeSync(fd, text);
  }
  closeSync(fd);
}

function benchFsck(list, dir, tree, options) {
  const repo = join(dir, "repo");
  const [maker] = list;
  if (!existsSync(join(repo, "images"))) {
    const [program, ...first] = [...maker.command, "--repo", repo];
    measure(program, [...first, "init", "--insecure"], process.env);
    measure(program, [...first, "create-image", tree, "bench"], process.env);
  }
  const programs = list.map(({ command }) => [...command, "--repo", repo, "fsck"]);
  const objects = /^objects: (.*)$/m.exec(once(programs[0], false).stdout)?.[1];
  print(`\nfsck, objects: ${objects}, ${options.rounds} round(s), page cache ${options.cold ? "emptied" : "warm"}\n`);
  printWithStart(list, race(programs, options, allSame("reports")), options);
}

function namesOf(list) {
  return list.map(({ name }) => name);
}

/** The options, or null if the usage should be shown. */
function parseOptions() {
  try {
    const { values } = parseArgs({
      options: {
        rounds: { type: "string", default: "3" },
        cold: { type: "boolean", default: false },
        dir: { type: "string" },
      },
    });
    const rounds = Number(values.rounds);
    return Number.isInteger(rounds) && rounds > 0 ? { ...values, rounds } : null;
  } catch {
    return null;
  }
}

function main() {
  const options = parseOptions();
  if (options === null) {
    process.stderr.write(USAGE);
    return 2;
  }
  const list = contenders();
  if (list.length === 0) return 1;
  const dir = options.dir === undefined ? mkdtempSync(join(tmpdir(), "cfs-bench-")) : resolve(options.dir);
  try {
    const tree = join(dir, "tree");
    if (!existsSync(tree)) {
      print(`writing ${FILES} files to ${tree}`);
      mkdirSync(tree, { recursive: true });
      writeBigLayer(tree, 0, FILES);
    }
    benchComputeId(list, tree, options);
    benchBuilding(list, dir, options);
    benchFsck(list, dir, tree, options);
    return 0;
  } finally {
    if (options.dir === undefined) rmSync(dir, { recursive: true });
  }
}

process.exitCode = main();
