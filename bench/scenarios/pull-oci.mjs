import { mkdirSync, rmSync } from "node:fs";
import { installed, NAME, race } from "../contenders.mjs";
import { printedConfig, pulls } from "../pull-contenders.mjs";
import { FILES } from "../workspace.mjs";

export const name = "pull-oci";

const CONTENTS = [
  { text: false, title: "content that does not compress" },
  { text: true, title: "hexadecimal digits" },
];

/**
 * Pulls from an OCI layout with gzip layers, beside what other tools do with it: skopeo copies the blobs as they are,
 * umoci unpacks them into a directory.
 */
export function run({ rounds, workspace }) {
  return CONTENTS.map(({ text, title }) => {
    const layout = workspace.layout(text);
    return {
      title: `pull of a layout with gzip layers, ${FILES} files, ${title}`,
      base: NAME.reference,
      results: race(
        [...pulls(workspace.fresh("repo"), () => [`oci:${layout}`]), ...others(layout, workspace.fresh("copy"))],
        rounds,
        printedConfig,
      ),
      goals: [{ of: NAME.ours, key: "wall", to: NAME.reference, times: 1 / 2 }],
    };
  });
}

function others(layout, directory) {
  const list = [
    ...installed("skopeo", ["copy", "--quiet", "--insecure-policy", `oci:${layout}:latest`, `dir:${directory}`]),
    ...installed("umoci", ["unpack", "--image", `${layout}:latest`, directory]),
  ];
  return list.map((contender) => ({
    ...contender,
    prepare: () => mkdirSync(directory),
    finish: () => rmSync(directory, { recursive: true }),
  }));
}
