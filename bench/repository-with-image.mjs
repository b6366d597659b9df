import { cfsctls } from "./contenders.mjs";
import { measure } from "./measure.mjs";
import { init } from "./pull-contenders.mjs";

/** Makes a repository of the workspace's tree, kept by the ref `bench`. */
export function createImage(workspace, repo) {
  const [{ command }] = cfsctls(() => ["--repo", repo, "create-image", workspace.tree(), "bench"]);
  init(command, repo);
  measure(command[0], command.slice(1));
}
