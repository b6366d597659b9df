import { closeSync, openSync, rmSync, writeSync } from "node:fs";
import { cfsctls, NAME, race } from "../contenders.mjs";

export const name = "mkcomposefs";

const ENTRIES = [20_000, 200_000];
const ENTRIES_PER_DIRECTORY = 100;

/** Images of dumpfiles: parsing, the tree, and writing EROFS, without any other file. */
export function run({ rounds, workspace }) {
  const dumpfile = workspace.fresh("dumpfile");
  const image = workspace.fresh("image");
  try {
    return ENTRIES.map((entries) => {
      writeDumpfile(dumpfile, entries);
      return {
        title: `mkcomposefs of a dumpfile with ${entries} entries`,
        base: NAME.reference,
        results: race(
          cfsctls(() => ["mkcomposefs", "--from-file", "--print-digest", dumpfile, image]),
          rounds,
          (output) => output,
        ),
      };
    });
  } finally {
    for (const path of [dumpfile, image]) rmSync(path, { force: true });
  }
}

/** Directories of files above the inline limit, each with a digest of its own. */
function writeDumpfile(path, entries) {
  const fd = openSync(path, "w");
  const line = (place, size, mode, links, payload, digest) =>
    `${place} ${size} ${mode} ${links} 0 0 0 1700000000.0 ${payload} - ${digest}\n`;
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
