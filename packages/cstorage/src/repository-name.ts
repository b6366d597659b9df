/** An image name cut at its tag. */
export interface TaggedName {
  readonly repository: string;
  /** Null when the name has none. */
  readonly tag: string | null;
}

/** Cuts `name` at the colon behind its last slash, so that a registry's port is no tag. */
export function splitTag(name: string): TaggedName {
  const colon = name.indexOf(":", name.lastIndexOf("/") + 1);
  return colon < 0 ? { repository: name, tag: null } : { repository: name.slice(0, colon), tag: name.slice(colon + 1) };
}

/** Fully qualified repositories that a repository typed by a user may mean, in order; containers-storage.md §8 step 6. */
export function repositoryCandidates(repository: string): readonly string[] {
  const slash = repository.indexOf("/");
  if (slash > 0) {
    const host = repository.slice(0, slash);
    const rest = repository.slice(slash + 1);
    if (host === "docker.io" || host === "index.docker.io") {
      return [rest.includes("/") ? `docker.io/${rest}` : `docker.io/library/${rest}`];
    }
    if (host === "localhost" || host.includes(".") || host.includes(":")) return [repository];
  }
  return [`localhost/${repository}`, slash < 0 ? `docker.io/library/${repository}` : `docker.io/${repository}`];
}
