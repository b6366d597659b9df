#!/usr/bin/env node
import { existsSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { openBigStore, openUserStore } from "./big-store.mjs";
import { measure } from "./measure.mjs";
import { MEASURES, print, printTable } from "./table.mjs";

const USAGE = `usage: bench/import.mjs [--rounds N] [--cold] [--memory] [--rootless] [--dir DIR]

Pulls an image of three layers, 20,000 files and 400 MB from a containers-storage into fresh repositories on the same
XFS, and prints wall time, CPU and peak memory: of this cfsctl, and, where REFERENCE_CFSCTL names one, of the reference
(whose pull cannot be told not to write an EROFS image too). Needs root, a loop device, buildah and Python.

  --rounds N  measured rounds (3), each program once a round, the order changing from round to round
  --cold      empty the page cache before each pull; otherwise both find the store in it
  --memory    also one round with layers three times as large
  --rootless  instead, the store of an ordinary user: pulled by root, who reads it directly, and by the user, for whom a
              helper in a user namespace does (one file in a hundred is not the user's to read)
  --dir DIR   keep store and file system in DIR, and use those that are there
`;
const OURS = fileURLToPath(new URL("../packages/cfsctl/bin/cfsctl.js", import.meta.url));

/** What is compared: command, and the arguments and environment to pull `image` from `store`. */
function contenders(store) {
  const reference = process.env.REFERENCE_CFSCTL;
  const all = [
    {
      name: "ours",
      missing: existsSync(OURS) ? null : "not built (pnpm build)",
      command: [process.execPath, OURS],
      pull: (image) => ["oci", "pull", `containers-storage:${store.reference(image)}`, "bench"],
      env: {},
    },
    {
      name: "reference",
      missing: reference ? null : "REFERENCE_CFSCTL is not set",
      command: [reference],
      // It neither reads storage.conf nor takes a store in the image's name, and would call skopeo by default.
      pull: (image) => ["oci", "pull", "--local-fetch", "auto", `containers-storage:${image}`, "bench"],
      env: { CONTAINERS_STORAGE_ROOT: store.root },
    },
  ];
  for (const { name, missing } of all) if (missing !== null) print(`${name}: skipped, ${missing}`);
  return all.filter(({ missing }) => missing === null);
}

/** The same store read directly by root and through the helper by its owner. */
function accesses(user, store) {
  const [node, script] = [user.cfsctl.node, user.cfsctl.script];
  const pull = (image) => ["oci", "pull", `containers-storage:${store.reference(image)}`, "bench"];
  const asUser = ["setpriv", "--reuid", user.uid, "--regid", user.gid, "--clear-groups", node, script].map(String);
  return [
    { name: "direct (root)", command: [node, script], pull, env: {} },
    { name: "helper (user)", command: asUser, pull, env: user.env },
  ];
}

/** One pull into a repository that did not exist before and does not afterwards. */
function pullOnce(contender, image, repo, cold) {
  const [program, ...first] = contender.command;
  const env = { ...process.env, ...contender.env };
  measure(program, [...first, "--repo", repo, "init", "--insecure"], env);
  // Neither pays for writing back what came before.
  measure("sync", [], env);
  if (cold) writeFileSync("/proc/sys/vm/drop_caches", "3");
  const measured = measure(program, [...first, "--repo", repo, ...contender.pull(image)], env);
  rmSync(repo, { recursive: true });
  return measured;
}

/** Measurements of each contender, one a round. */
function race(list, { image, repo, rounds, cold }) {
  const results = list.map(() => []);
  for (let round = 0; round < rounds; round += 1) {
    const order = round % 2 === 0 ? [...list.keys()] : [...list.keys()].reverse();
    for (const index of order) results[index].push(pullOnce(list[index], image, repo, cold));
  }
  return results;
}

/** The options, or null if the usage should be shown. */
function options() {
  try {
    const { values } = parseArgs({
      options: {
        rounds: { type: "string", default: "3" },
        cold: { type: "boolean", default: false },
        memory: { type: "boolean", default: false },
        rootless: { type: "boolean", default: false },
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
  const values = options();
  if (values === null) {
    process.stderr.write(USAGE);
    return 2;
  }
  const { rounds, cold, rootless } = values;
  const disk = rootless ? openUserStore() : openBigStore(values.dir);
  try {
    const list = rootless ? accesses(disk.user, disk.store) : contenders(disk.store);
    if (list.length === 0) return 1;
    const names = list.map(({ name }) => name);
    const repo = join(rootless ? disk.user.home : disk.path, "repo");
    rmSync(repo, { recursive: true, force: true });
    const image = disk.image(1);
    // Once before, uncounted: programs and store are in the page cache for all, and the pulls are seen to work.
    for (const contender of list) {
      const { stdout } = pullOnce(contender, image, repo, false);
      const counts = /^ *objects:? .*$/m.exec(stdout)?.[0].trim();
      print(`${contender.name}: ${counts ?? "no statistics"}`);
    }
    print(`\n${image}, ${rounds} round(s), page cache ${cold ? "emptied" : "warm"}; median (least to most)\n`);
    printTable(names, MEASURES, race(list, { image, repo, rounds, cold }));
    if (values.memory) {
      const larger = disk.image(3);
      print(`\n${larger}, layers three times as large, one round\n`);
      printTable(names, MEASURES, race(list, { image: larger, repo, rounds: 1, cold }));
    }
    return 0;
  } finally {
    disk.dispose();
  }
}

process.exitCode = main();
