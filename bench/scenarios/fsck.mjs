import { rmSync } from "node:fs";
import { cfsctls, NAME, race } from "../contenders.mjs";
import { createImage } from "../repository-with-image.mjs";
import { FILES } from "../workspace.mjs";

export const name = "fsck";

/** The check of a sound repository: every object is read and hashed. */
export function run({ rounds, workspace }) {
  const repo = workspace.fresh("repo");
  createImage(workspace, repo);
  try {
    return [
      {
        title: `fsck of ${FILES} files`,
        base: NAME.reference,
        results: race(
          cfsctls(() => ["--repo", repo, "fsck"]),
          rounds,
          (output) => output,
        ),
        goals: [{ of: NAME.ours, key: "wall", to: NAME.reference, times: 1 / 2 }],
      },
    ];
  } finally {
    rmSync(repo, { recursive: true });
  }
}
