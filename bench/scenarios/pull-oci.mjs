import { mkdirSync, mkdtempSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { installed, NAME, race } from "../contenders.mjs";
import { printedConfig, pulls } from "../pull-contenders.mjs";
import { run as call } from "../test-support.mjs";
import { FILES } from "../workspace.mjs";

export const name = "pull-oci";

const CONTENTS = [
  { content: "noise", title: `${FILES} files that do not compress` },
  { content: "digits", title: `${FILES} files of hexadecimal digits` },
  { content: "system", title: "programs, libraries and documents of a Linux system" },
];

/**
 * Pulls from an OCI layout with gzip layers, on the machine's own file system and on the XFS of the other scenarios; on the
 * first beside what other tools do with it: skopeo copies the blobs as they are, umoci unpacks them into a directory.
 */
export function run({ rounds, workspace }) {
  const places = [
    { path: workspace.home, type: call("findmnt", ["-n", "-o", "FSTYPE", "-T", workspace.home]).trim(), tools: others },
    { path: workspace.path, type: "XFS on a loop device", tools: () => [] },
  ];
  return places.flatMap(({ path, type, tools }) => {
    // Nothing is removed before the end: ext4 passes over the inodes of files that were removed a moment ago, one by one.
    const work = mkdtempSync(join(path, "pull-oci-"));
    const repo = join(work, "repo");
    const results = CONTENTS.map(({ content, title }) => {
      const layout = workspace.layout(content, path);
      const contenders = [...pulls(repo, () => [`oci:${layout}`]), ...tools(layout, join(work, "copy"))];
      return {
        title: `pull of a layout with gzip layers, ${title}, ${type}`,
        base: NAME.reference,
        results: race(contenders.map(putAside(work, layout)), rounds, printedConfig),
        goals: [{ of: NAME.ours, key: "wall", to: NAME.reference, times: 1 / 2 }],
      };
    });
    rmSync(work, { recursive: true });
    return results;
  });
}

let asideCount = 0;

/** The contender of a layout with what it leaves behind renamed, not removed. */
function putAside(work, layout) {
  return (contender) => ({
    ...contender,
    reads: layout,
    finish() {
      asideCount += 1;
      renameSync(contender.leaves, join(work, `aside-${asideCount}`));
    },
  });
}

function others(layout, directory) {
  const list = [
    ...installed("skopeo", ["copy", "--quiet", "--insecure-policy", `oci:${layout}:latest`, `dir:${directory}`]),
    ...installed("umoci", ["unpack", "--image", `${layout}:latest`, directory]),
  ];
  return list.map((contender) => ({ ...contender, leaves: directory, prepare: () => mkdirSync(directory) }));
}
