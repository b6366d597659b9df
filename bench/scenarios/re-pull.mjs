import { rmSync } from "node:fs";
import { NAME, NODE_ALONE, race } from "../contenders.mjs";
import { measure } from "../measure.mjs";
import { init, storePulls } from "../pull-contenders.mjs";
import { FILES } from "../workspace.mjs";

export const name = "re-pull";

/** The same pull once more, when nothing is left to do. */
export function run({ rounds, workspace }) {
  const repo = workspace.fresh("repo");
  const list = storePulls(workspace, workspace.image(FILES)).map(({ name: who, command, env }) => ({
    name: who,
    command,
    env,
  }));
  const [ours] = list;
  init(ours.command, repo);
  measure(ours.command[0], ours.command.slice(1));
  try {
    return [
      {
        title: `import again, ${FILES} files, nothing to do`,
        base: NAME.reference,
        results: race([...list, NODE_ALONE], rounds),
        goals: [{ of: NAME.ours, key: "wall", to: NAME.node, more: 0.1 }],
      },
    ];
  } finally {
    rmSync(repo, { recursive: true });
  }
}
