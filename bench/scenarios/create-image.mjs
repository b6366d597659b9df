import { rmSync } from "node:fs";
import { cfsctls, NAME, race } from "../contenders.mjs";
import { init } from "../pull-contenders.mjs";
import { FILES } from "../workspace.mjs";

export const name = "create-image";

/** A directory's files into a fresh repository on the same XFS, and the image of them. */
export function run({ rounds, workspace }) {
  const tree = workspace.tree();
  const repo = workspace.fresh("repo");
  const contenders = cfsctls(() => ["--repo", repo, "create-image", tree, "bench"]).map((contender) => ({
    ...contender,
    prepare: () => init(contender.command, repo),
    finish: () => rmSync(repo, { recursive: true }),
  }));
  return [
    {
      title: `create-image of ${FILES} files`,
      base: NAME.reference,
      results: race(contenders, rounds, (output) => output),
    },
  ];
}
