import { cfsctls, NAME, race } from "../contenders.mjs";
import { storePulls } from "../pull-contenders.mjs";
import { FILES } from "../workspace.mjs";

export const name = "scale";

const SPARSE_BYTES = 8 * 2 ** 30;

/** Growth of time and memory: our imports of a tenth and of ten times the files, and the id of one file of 8 GiB. */
export function run({ rounds, workspace }) {
  const imports = [FILES / 10, FILES, FILES * 10].map((files) => {
    const [ours] = storePulls(workspace, workspace.image(files));
    return { ...ours, name: ofFiles(files) };
  });
  const tree = workspace.sparseTree(SPARSE_BYTES);
  return [
    {
      title: "import by number of files",
      base: ofFiles(FILES),
      results: race(imports, rounds),
      goals: [
        { of: ofFiles(FILES * 10), key: "wall", to: ofFiles(FILES), times: 10.5 },
        { of: ofFiles(FILES * 10), key: "memory", to: ofFiles(FILES), more: 30e6 },
      ],
    },
    {
      title: "compute-id of one sparse file of 8 GiB",
      base: NAME.reference,
      results: race(
        cfsctls(() => ["--no-repo", "compute-id", tree]),
        rounds,
        (output) => output,
      ),
    },
  ];
}

function ofFiles(files) {
  return `ours, ${files} files`;
}
