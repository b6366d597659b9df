import { NAME, race } from "../contenders.mjs";
import { printedConfig, storePulls } from "../pull-contenders.mjs";
import { FILES } from "../workspace.mjs";

export const name = "import";

/** Pulls from podman's storage into fresh repositories on the same XFS. */
export function run({ rounds, workspace }) {
  const image = workspace.image(FILES);
  return [
    {
      title: `import, ${FILES} files by reflink`,
      base: NAME.reference,
      results: race(storePulls(workspace, image), rounds, printedConfig),
      goals: [
        { of: NAME.ours, key: "wall", to: NAME.reference, times: 1 / 3 },
        { of: NAME.ours, key: "cpu", to: NAME.reference, times: 1 / 2 },
        { of: NAME.ours, key: "memory", atMost: 150e6 },
      ],
    },
  ];
}
