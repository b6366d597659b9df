import { cfsctlOk } from "./cfsctl.ts";

/** The `stats` object of `oci pull --json`. */
interface PullStats {
  readonly layers: number;
  readonly layers_already_present: number;
  readonly objects_reflinked: number;
  readonly objects_hardlinked: number;
  readonly objects_copied: number;
  readonly objects_already_present: number;
  readonly bytes_reflinked: number;
  readonly bytes_hardlinked: number;
  readonly bytes_copied: number;
  readonly bytes_inlined: number;
}

/** What `oci pull --json` prints, as far as tests look at it. */
export interface PullOutput {
  readonly manifest_digest: string;
  readonly config_digest: string;
  readonly manifest_verity: string;
  readonly config_verity: string;
  readonly tag: string | null;
  readonly image: string | null;
  readonly boot_image: string | null;
  readonly changed: boolean;
  readonly stats: PullStats;
}

/** Makes a repository that does not need fs-verity, which few test machines have; returns its path. */
export async function initRepo(path: string, algorithm = "fsverity-sha512-12"): Promise<string> {
  await cfsctlOk(["--repo", path, "init", "--insecure", "--algorithm", algorithm]);
  return path;
}

/** Pulls from a containers-storage with `--json`. `reference` is what stands after `containers-storage:`. */
export async function pullJson(
  repo: string,
  reference: string,
  args: readonly string[] = [],
  env: Readonly<Record<string, string>> = {},
): Promise<PullOutput> {
  const command = ["--repo", repo, "oci", "pull", "--json", ...args, `containers-storage:${reference}`, "test"];
  return JSON.parse((await cfsctlOk(command, { env })).stdout) as PullOutput;
}
