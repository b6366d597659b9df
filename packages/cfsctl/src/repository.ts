import type { OpenOptions, Repository } from "@composefs/core";
import { CliError } from "./errors.ts";
import type { GlobalOptions } from "./options.ts";
import { UsageError } from "./usage-error.ts";

/** Path of the repository that the global options mean. */
export async function repositoryPath(options: GlobalOptions): Promise<string> {
  if (options.repo === false) {
    throw new CliError("REPO_REQUIRED", "--no-repo is only supported for compute-id and create-dumpfile", {
      hint: "leave --no-repo out",
    });
  }
  if (options.repo !== undefined) return options.repo;
  const user = options.user ?? (!options.system && process.getuid?.() !== 0);
  if (user && !process.env.HOME) throw new UsageError("HOME is not set: name the repository with --repo");
  const { Repository } = await import("@composefs/core/repository");
  return Repository.defaultPath(user ? "user" : "system");
}

/** Opens the repository that the global options mean, runs `use`, and closes it. */
export async function withRepository<Result>(
  options: GlobalOptions,
  use: (repository: Repository) => Promise<Result>,
): Promise<Result> {
  const path = await repositoryPath(options);
  const { Repository } = await import("@composefs/core/repository");
  const open: OpenOptions = {
    hash: options.hash,
    requireVerity: options.requireVerity,
    upgrade: options.upgrade,
    insecure: options.insecure,
  };
  const repository = await Repository.open(path, open);
  try {
    return await use(repository);
  } finally {
    await repository.close();
  }
}
