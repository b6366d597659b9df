import { cpus, release, totalmem } from "node:os";
import { run, succeeds } from "./test-support.mjs";

/** The machine and the programs compared, in a sentence each. */
export function describeMachine() {
  const [{ model }] = cpus();
  const memory = Math.round(totalmem() / 2 ** 30);
  const programs = [process.env.REFERENCE_CFSCTL, "skopeo", "umoci"].filter(
    (program) => program && succeeds(program, ["--version"]),
  );
  return [
    `${cpus().length} cores of ${model.trim()} (${process.arch}), ${memory} GiB, Linux ${release()}, files on XFS on a loop device.`,
    `Node.js ${process.version}${programs.map((program) => `, ${versionOf(program)}`).join("")}.`,
  ];
}

function versionOf(program) {
  const [line] = run(program, ["--version"]).split("\n");
  return program === process.env.REFERENCE_CFSCTL ? `${line} of the reference` : line;
}
