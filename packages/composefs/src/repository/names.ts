import { ComposefsError } from "../errors.ts";

/** The two kinds of named things: directories beneath the repository. */
export type Category = "streams" | "images";

/**
 * Checks a ref name (`a/b/c`) and returns its components.
 *
 * @throws ComposefsError `REF_INVALID` for an empty or absolute name, empty, `.` or `..` components, and NUL bytes
 */
export function checkRefName(name: string): string[] {
  const components = name.split("/");
  const bad = components.find((part) => part === "" || part === "." || part === ".." || part.includes("\0"));
  if (bad === undefined) return components;
  const what = name === "" ? "it is empty" : name.startsWith("/") ? "it is absolute" : `component '${bad}'`;
  throw new ComposefsError("REF_INVALID", `ref name '${name}' is not allowed: ${what}`, {
    details: { name },
    hint: "use a relative name without empty, '.' or '..' components",
  });
}

/**
 * Checks a first-level entry of `streams/` or `images/`, such as `oci-layer-sha256:…`.
 *
 * @throws ComposefsError `REF_INVALID`
 */
export function checkEntryName(name: string): string {
  if (name !== "" && name !== "." && name !== ".." && name !== "refs" && !/[/\0]/.test(name)) return name;
  throw new ComposefsError("REF_INVALID", `'${name}' cannot name an entry`, { details: { name } });
}

/** Minimal relative link text from the link at `link` to `target`, both relative to the repository. */
export function relativeLink(link: readonly string[], target: readonly string[]): string {
  let shared = 0;
  while (shared < link.length - 1 && shared < target.length - 1 && link[shared] === target[shared]) shared++;
  return [...link.slice(shared, -1).map(() => ".."), ...target.slice(shared)].join("/");
}
