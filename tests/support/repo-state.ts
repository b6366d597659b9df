import { existsSync, lstatSync, readdirSync, readlinkSync } from "node:fs";
import { join } from "node:path";

/** Every name below `streams/` with its link text: what the repository knows by name. Empty if there is none. */
export function streamLinks(repo: string): Record<string, string> {
  const links: [string, string][] = [];
  walk(join(repo, "streams"), "", (name, path) => links.push([name, readlinkSync(path)]));
  return Object.fromEntries(links.sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** The names of tags and other references below `streams/refs`. */
export function streamRefs(repo: string): string[] {
  return Object.keys(streamLinks(repo)).filter((name) => name.startsWith("refs/"));
}

/** Paths of all objects with their sizes in bytes, sorted by path. */
export function objects(repo: string): { path: string; size: number }[] {
  const found: { path: string; size: number }[] = [];
  walk(join(repo, "objects"), "", (_, path) => found.push({ path, size: lstatSync(path).size }));
  return found.sort((a, b) => (a.path < b.path ? -1 : 1));
}

function walk(dir: string, prefix: string, visit: (name: string, path: string) => void): void {
  if (!existsSync(dir)) return;
  for (const entry of readdirSync(dir, { withFileTypes: true })) {
    const path = join(dir, entry.name);
    if (entry.isDirectory()) walk(path, `${prefix}${entry.name}/`, visit);
    else visit(`${prefix}${entry.name}`, path);
  }
}
