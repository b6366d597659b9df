import { chmodSync, mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { run, succeeds } from "./run.ts";

/** Node and this project where an ordinary user can reach them. */
export interface UserCfsctl {
  readonly node: string;
  /** The command's script. */
  readonly script: string;
  dispose(): void;
}

const PROJECT = fileURLToPath(new URL("../..", import.meta.url));

/** Mounts both below `base`: a checkout may lie in a directory that is root's alone. Needs root. */
export function installCfsctl(base: string): UserCfsctl {
  for (let dir = base; dir.startsWith("/tmp/"); dir = dirname(dir)) chmodSync(dir, 0o755);
  const node = join(base, "node");
  const project = join(base, "project");
  writeFileSync(node, "");
  mkdirSync(project);
  run("mount", ["--bind", process.execPath, node]);
  run("mount", ["--bind", PROJECT, project]);
  return {
    node,
    script: join(project, "packages/cfsctl/bin/cfsctl.js"),
    dispose: () => {
      for (const path of [node, project]) if (!succeeds("umount", [path])) succeeds("umount", ["-l", path]);
    },
  };
}
