#!/usr/bin/env node
import { parseArgs } from "node:util";
import { describeMachine } from "./machine.mjs";
import { report } from "./report.mjs";
import * as computeId from "./scenarios/compute-id.mjs";
import * as createImage from "./scenarios/create-image.mjs";
import * as fsck from "./scenarios/fsck.mjs";
import * as gc from "./scenarios/gc.mjs";
import * as hash from "./scenarios/hash.mjs";
import * as importStore from "./scenarios/import.mjs";
import * as importRootless from "./scenarios/import-rootless.mjs";
import * as mkcomposefs from "./scenarios/mkcomposefs.mjs";
import * as pullOci from "./scenarios/pull-oci.mjs";
import * as rePull from "./scenarios/re-pull.mjs";
import * as scale from "./scenarios/scale.mjs";
import { openWorkspace } from "./workspace.mjs";
import { writeDocs } from "./write-docs.mjs";

const SCENARIOS = [
  importStore,
  importRootless,
  rePull,
  pullOci,
  createImage,
  computeId,
  mkcomposefs,
  fsck,
  gc,
  hash,
  scale,
];

const USAGE = `usage: bench/run.mjs [--rounds N] [--only NAME,...] [--dir DIR] [--write]

Measures time, CPU and peak memory of this cfsctl and, where REFERENCE_CFSCTL names one, of the reference, skopeo and
umoci beside them where they are installed. Each program runs once a round, the order changing from round to round;
printed are medians, and medians of the ratios within a round. Needs root, a loop device, buildah, podman and Python,
some 20 GB of disk, and 16 GB of memory so that all files stay in the page cache.

  --rounds N  measured rounds (5)
  --only ...  some of ${SCENARIOS.map(({ name }) => name).join(", ")}
  --dir DIR   keep the images and files in DIR, and use those that are there
  --write     put the figures into docs/performance.md and docs/performance.svg; of all scenarios only
`;

/** The options, or null if the usage should be shown. */
function parseOptions() {
  try {
    const { values } = parseArgs({
      options: {
        rounds: { type: "string", default: "5" },
        only: { type: "string" },
        dir: { type: "string" },
        write: { type: "boolean", default: false },
      },
    });
    const rounds = Number(values.rounds);
    const names = values.only?.split(",");
    const scenarios = SCENARIOS.filter(({ name }) => names?.includes(name) ?? true);
    const known = names === undefined || names.length === scenarios.length;
    const right = Number.isInteger(rounds) && rounds > 0 && known && !(values.write && names !== undefined);
    return right ? { ...values, rounds, scenarios } : null;
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
  const { rounds, scenarios } = options;
  const machine = describeMachine();
  process.stdout.write(`${machine.join("\n")}\nMedians of ${rounds} rounds.\n`);
  const workspace = openWorkspace(options.dir);
  const all = [];
  try {
    for (const scenario of scenarios) {
      const comparisons = scenario.run({ rounds, workspace });
      process.stdout.write(`\n${report(comparisons)}`);
      all.push(...comparisons);
    }
  } finally {
    workspace.dispose();
  }
  if (options.write) writeDocs(machine, rounds, all);
  return 0;
}

process.exitCode = main();
