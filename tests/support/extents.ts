import { run } from "./run.ts";

/** How a file lies on its disk. */
export interface Extents {
  readonly path: string;
  /** Number of extents, data kept inside the inode included. */
  readonly total: number;
  /** Of these, how many carry the FIEMAP flag `shared`. */
  readonly shared: number;
  /** First physical block of each extent. */
  readonly physical: readonly number[];
}

/** The extents of files as FIEMAP reports them (`filefrag -v`), in the order of the paths. */
export function extentsOf(paths: readonly string[]): Extents[] {
  if (paths.length === 0) return [];
  // -s: delayed allocation would show as extents without a place.
  const text = run("filefrag", ["-s", "-v", ...paths]);
  const found = new Map<string, { total: number; shared: number; physical: number[] }>();
  let current: { total: number; shared: number; physical: number[] } | undefined;
  for (const line of text.split("\n")) {
    const name = /^File size of (.*) is \d+ \(\d+ blocks? of \d+ bytes\)$/.exec(line)?.[1];
    if (name !== undefined) {
      current = { total: 0, shared: 0, physical: [] };
      found.set(name, current);
    }
    // columns: number: first..last logical: first..last physical: length: [expected:] flags
    const extent = /^\s*\d+:\s*\d+\.\.\s*\d+:\s*(\d+)\.\.\s*\d+:\s*\d+:(.*)$/.exec(line);
    if (extent === null || current === undefined) continue;
    current.total += 1;
    current.physical.push(Number(extent[1]));
    if (/\bshared\b/.test(extent[2] ?? "")) current.shared += 1;
  }
  return paths.map((path) => {
    const entry = found.get(path);
    if (entry === undefined) throw new Error(`filefrag says nothing about ${path}`);
    return { path, ...entry };
  });
}
