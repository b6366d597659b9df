import { rmSync } from "node:fs";
import { cfsctls, NAME } from "./contenders.mjs";
import { measure } from "./measure.mjs";

/** Both cfsctls, each to pull `image` from the workspace's containers-storage into a new repository. */
export function storePulls(workspace, image) {
  const repo = workspace.fresh("repo");
  const { store } = workspace;
  return pulls(repo, (name) =>
    // The reference neither reads storage.conf nor takes a store in the image's name, and would call skopeo by default.
    name === NAME.reference
      ? ["--local-fetch", "auto", `containers-storage:${image}`]
      : [`containers-storage:${store.reference(image)}`],
  ).map((contender) => ({ ...contender, reads: store.root, env: { CONTAINERS_STORAGE_ROOT: store.root } }));
}

/** Both cfsctls, each to pull into a repository that was not there before and is not there afterwards; it `leaves` that. */
export function pulls(repo, source) {
  const all = cfsctls((name) => ["--repo", repo, "oci", "pull", ...source(name), "bench"]);
  return all.map((contender) => ({
    ...contender,
    leaves: repo,
    prepare: () => init(contender.command, repo),
    finish: () => rmSync(repo, { recursive: true }),
  }));
}

/** Makes the repository with the program of a contender's command. */
export function init(command, repo, env) {
  const [program, ...args] = command.slice(0, command.indexOf("--repo"));
  measure(program, [...args, "--repo", repo, "init", "--insecure"], env);
}

/** The config's digest, which every pull prints. */
export function printedConfig(output) {
  return /^config .*$/m.exec(output)?.[0] ?? null;
}
