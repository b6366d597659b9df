import { mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { type HashName, initRepository, Repository } from "@composefs/core";

/** Gives `use` a new repository beneath `directory`, which is closed and removed afterwards. */
export async function withNewRepository<T>(
  directory: string,
  hash: HashName,
  use: (repository: Repository, path: string) => Promise<T>,
): Promise<T> {
  const path = mkdtempSync(join(directory, "repo-"));
  initRepository(path, { hash, insecure: true });
  const repository = await Repository.open(path);
  try {
    return await use(repository, path);
  } finally {
    await repository.close();
    rmSync(path, { recursive: true });
  }
}
