#!/usr/bin/env node
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { measure } from "./measure.mjs";
import { ociImage } from "./oci-image.mjs";
import { MEASURES, print, printTable } from "./table.mjs";

const { mountLoopFs } = await import("../tests/support/loop-fs.ts");

const USAGE = `usage: bench/pull.mjs [--rounds N] [--cold] [--dir DIR]

Pulls an image of three gzip layers, 20,000 files and 400 MB, from an OCI layout into fresh repositories, and prints wall
time, CPU and peak memory: of this cfsctl, and, where REFERENCE_CFSCTL names one, of the reference (which checks neither
blobs nor diff_ids). Once with files that do not compress, once with files of hexadecimal digits. Repositories are made on
an XFS of their own: ext4 is slow with inodes that were in use a minute ago. Needs root, a loop device and Python.

  --rounds N  measured rounds (3), each program once a round, the order changing from round to round
  --cold      empty the page cache before each pull; otherwise the layout is in it
  --dir DIR   keep the layouts in DIR, and use those that are there
`;
const DISK_BYTES = 8 * 2 ** 30;
const OURS = fileURLToPath(new URL("../packages/cfsctl/bin/cfsctl.js", import.meta.url));

function contenders() {
  const reference = process.env.REFERENCE_CFSCTL;
  const all = [
    { name: "ours", missing: existsSync(OURS) ? null : "not built (pnpm build)", command: [process.execPath, OURS] },
    { name: "reference", missing: reference ? null : "REFERENCE_CFSCTL is not set", command: [reference] },
  ];
  for (const { name, missing } of all) if (missing !== null) print(`${name}: skipped, ${missing}`);
  return all.filter(({ missing }) => missing === null);
}

/** One pull into a repository that did not exist before and does not afterwards. */
function pullOnce({ command: [program, ...first] }, layout, repo, cold) {
  const { env } = process;
  measure(program, [...first, "--repo", repo, "init", "--insecure"], env);
  // Neither pays for writing back what came before.
  measure("sync", [], env);
  if (cold) writeFileSync("/proc/sys/vm/drop_caches", "3");
  const measured = measure(program, [...first, "--repo", repo, "oci", "pull", `oci:${layout}`, "bench"], env);
  rmSync(repo, { recursive: true });
  return measured;
}

function race(list, layout, repo, { rounds, cold }) {
  // Once before, uncounted: programs and layout are in the page cache for all. All must have pulled the same image.
  const configs = new Set(list.map((item) => /^config .*$/m.exec(pullOnce(item, layout, repo, false).stdout)?.[0]));
  if (configs.size !== 1) throw new Error(`different results: ${[...configs].join(", ")}`);
  const results = list.map(() => []);
  for (let round = 0; round < rounds; round += 1) {
    const order = round % 2 === 0 ? [...list.keys()] : [...list.keys()].reverse();
    for (const index of order) results[index].push(pullOnce(list[index], layout, repo, cold));
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
  const dir = values.dir === undefined ? mkdtempSync(join(tmpdir(), "bench-pull-")) : resolve(values.dir);
  mkdirSync(dir, { recursive: true });
  const disk = mountLoopFs("xfs", { size: DISK_BYTES });
  try {
    const list = contenders();
    if (list.length === 0) return 1;
    const repo = join(disk.path, "repo");
    for (const text of [false, true]) {
      const layout = ociImage(dir, text);
      print(`\n${text ? "hexadecimal digits" : "incompressible"}, ${values.rounds} round(s); median (least to most)\n`);
      printTable(
        list.map(({ name }) => name),
        MEASURES,
        race(list, layout, repo, values),
      );
    }
    return 0;
  } finally {
    disk.dispose();
    if (values.dir === undefined) rmSync(dir, { recursive: true });
  }
}

process.exitCode = main();
