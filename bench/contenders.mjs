import { existsSync } from "node:fs";
import { freemem } from "node:os";
import { fileURLToPath } from "node:url";
import { measure } from "./measure.mjs";
import { succeeds } from "./test-support.mjs";

const OURS = fileURLToPath(new URL("../packages/cfsctl/bin/cfsctl.js", import.meta.url));

/** Names of contenders that scenarios compare by. */
export const NAME = { ours: "ours", reference: "reference", node: "node alone" };

/**
 * This cfsctl and, where `REFERENCE_CFSCTL` names one, the reference: `{ name, command }` each.
 *
 * @param args what comes after the program, given its name
 */
export function cfsctls(args) {
  if (!existsSync(OURS)) throw new Error("cfsctl is not built: pnpm build");
  const reference = process.env.REFERENCE_CFSCTL;
  const ours = { name: NAME.ours, command: [process.execPath, OURS] };
  const list = reference ? [ours, { name: NAME.reference, command: [reference] }] : [ours];
  return list.map(({ name, command }) => ({ name, command: [...command, ...args(name)] }));
}

/** This process's, without certificates that the network here may need: Node 20 parses them at every start, for 45 ms. */
const { NODE_EXTRA_CA_CERTS: _, ...ENVIRONMENT } = process.env;

/** Node's start and end with nothing to do between. */
export const NODE_ALONE = { name: NAME.node, command: [process.execPath, "-e", "0"] };

/** A contender of that program, in a list that is empty where the program is not installed. */
export function installed(program, args) {
  return succeeds(program, ["--version"]) ? [{ name: program, command: [program, ...args] }] : [];
}

/**
 * Runs every contender once a round, the order changing from round to round, after one that is not counted. `prepare` and
 * `finish` of a contender run around each, unmeasured, and what it `reads` is read before: some machines take from the page
 * cache what was not used for half a minute. Free memory is touched before, too.
 *
 * @param same what must be the same in the output of all that print it; by default nothing
 * @returns `{ name, samples: { wall, cpu, memory }[] }` each, in seconds and bytes
 */
export function race(contenders, rounds, same = () => null) {
  const found = contenders.map((contender) => same(once(contender).stdout)).filter((value) => value !== null);
  if (new Set(found).size > 1) throw new Error(`different results: ${found.join(", ")}`);
  const results = contenders.map(({ name }) => ({ name, samples: [] }));
  for (let round = 0; round < rounds; round += 1) {
    const order = round % 2 === 0 ? [...contenders.keys()] : [...contenders.keys()].reverse();
    for (const index of order) results[index].samples.push(once(contenders[index]));
  }
  return results;
}

/** What a contender writes and reads finds room in so much. */
const TOUCHED_BYTES = 2 ** 31;

/**
 * Of memory that is free in a virtual machine the host may have to give the pages anew, for some microseconds each; what this
 * leaves free it has given.
 */
function touchMemory() {
  const bytes = Math.min(TOUCHED_BYTES, Math.floor(freemem() / 2));
  measure(process.execPath, ["-e", `Buffer.alloc(${bytes}, 1)`]);
}

function once({ command: [program, ...args], env, reads, prepare, finish }) {
  prepare?.();
  // Nobody pays for writing back what came before.
  measure("sync", []);
  if (reads !== undefined) measure("sh", ["-c", 'find "$1" -type f -exec cat {} + > /dev/null', "sh", reads]);
  touchMemory();
  const measured = measure(program, args, { ...ENVIRONMENT, ...env });
  finish?.();
  return measured;
}
