import { rmSync } from "node:fs";
import { join } from "node:path";
import { cfsctls, NAME, race } from "../contenders.mjs";
import { measure } from "../measure.mjs";
import { createImage } from "../repository-with-image.mjs";
import { FILES } from "../workspace.mjs";

export const name = "gc";

/** A collection that keeps everything, and one that removes everything, since the one ref is gone. */
export function run({ rounds, workspace }) {
  const template = workspace.fresh("template");
  createImage(workspace, template);
  const kept = cfsctls(() => ["--repo", template, "gc"]);
  const repo = workspace.fresh("repo");
  const removed = cfsctls(() => ["--repo", repo, "gc"]).map((contender) => ({
    ...contender,
    prepare: () => {
      measure("cp", ["-a", "--reflink=always", template, repo]);
      rmSync(join(repo, "images/refs/bench"));
    },
    finish: () => rmSync(repo, { recursive: true }),
  }));
  try {
    return [
      { title: `gc that keeps ${FILES} files`, base: NAME.reference, results: race(kept, rounds) },
      { title: `gc that removes ${FILES} files`, base: NAME.reference, results: race(removed, rounds) },
    ];
  } finally {
    rmSync(template, { recursive: true });
  }
}
