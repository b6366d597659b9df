import { rmSync } from "node:fs";
import { join } from "node:path";
import { race } from "../contenders.mjs";
import { init, printedConfig } from "../pull-contenders.mjs";
import { FILES, openUserWorkspace } from "../workspace.mjs";

export const name = "import-rootless";

const ROOT = "root, directly";
const USER = "user, through the helper";

/** A user's storage pulled by root, who reads it directly, and by the user, for whom a helper in a user namespace does. */
export function run({ rounds }) {
  const { user, store, image, dispose } = openUserWorkspace();
  try {
    const reference = `containers-storage:${store.reference(image())}`;
    const repo = join(user.home, "repo");
    const program = [user.cfsctl.node, user.cfsctl.script];
    const asUser = ["setpriv", "--reuid", user.uid, "--regid", user.gid, "--clear-groups", ...program].map(String);
    const contender = (title, command, env) => {
      const pull = [...command, "--repo", repo, "oci", "pull", reference, "bench"];
      return {
        name: title,
        command: pull,
        env,
        prepare: () => init(pull, repo, { ...process.env, ...env }),
        finish: () => rmSync(repo, { recursive: true }),
      };
    };
    const contenders = [contender(USER, asUser, user.env), contender(ROOT, program, {})];
    return [
      {
        title: `import without root, ${FILES} files by reflink`,
        base: ROOT,
        results: race(contenders, rounds, printedConfig),
      },
    ];
  } finally {
    dispose();
  }
}
