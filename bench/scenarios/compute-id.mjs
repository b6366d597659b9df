import { cfsctls, NAME, NODE_ALONE, race } from "../contenders.mjs";
import { FILES } from "../workspace.mjs";

export const name = "compute-id";

const NET = "ours without Node's start";

/** The id of a directory's image, with nothing stored. */
export function run({ rounds, workspace }) {
  const tree = workspace.tree();
  const list = cfsctls(() => ["--no-repo", "compute-id", tree]);
  const results = race([...list, NODE_ALONE], rounds, (output) => output || null);
  return [
    {
      title: `compute-id of ${FILES} files`,
      base: NAME.reference,
      results: [...results, without(results, NAME.ours, NAME.node)],
      goals: [{ of: NET, key: "wall", to: NAME.reference, times: 1 }],
    },
  ];
}

function without(results, whole, part) {
  const [all, start] = [whole, part].map((who) => results.find((result) => result.name === who).samples);
  const samples = all.map(({ wall, cpu }, round) => ({ wall: wall - start[round].wall, cpu: cpu - start[round].cpu }));
  return { name: NET, samples };
}
