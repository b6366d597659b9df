import { fstatSync, readFileSync } from "node:fs";

/** A process that holds a lock. */
export interface LockHolder {
  readonly pid: number;
  /** Its command, when /proc tells. */
  readonly command: string | null;
}

/**
 * Processes that hold flock(2) locks on an open file, by /proc/locks, sorted by pid; processes of another pid namespace
 * do not show. Empty where /proc does not tell. For messages.
 *
 * @see proc_locks(5)
 */
export function lockHolders(fd: number): LockHolder[] {
  let table: string;
  try {
    table = readFileSync("/proc/locks", "utf8");
  } catch {
    return []; // /proc is not mounted; the message does without
  }
  const { dev, ino } = fstatSync(fd);
  const device = `${hex(major(dev))}:${hex(minor(dev))}`;
  const rows = [...table.matchAll(/^\d+: FLOCK +\S+ +\S+ +(\d+) ([0-9a-f]+:[0-9a-f]+):(\d+) /gm)]
    .map(([, pid, where, inode]) => ({ pid: Number(pid), where, inode: Number(inode) }))
    .filter((row) => row.inode === ino && row.pid > 0);
  // On btrfs the table has the file system's device number, stat the subvolume's: then the inode alone must do.
  const exact = rows.filter((row) => row.where === device);
  const pids = [...new Set((exact.length > 0 ? exact : rows).map((row) => row.pid))].sort((a, b) => a - b);
  return pids.map((pid) => ({ pid, command: commandOf(pid) }));
}

function commandOf(pid: number): string | null {
  try {
    return readFileSync(`/proc/${pid}/comm`, "utf8").trimEnd();
  } catch {
    return null; // it has just ended
  }
}

// The kernel's packing of a 32-bit dev_t in stat: minor in the bits 0-7 and 20-31, major in 8-19.
function major(dev: number): number {
  return Math.floor(dev / 256) % 4096;
}

function minor(dev: number): number {
  return (dev % 256) + Math.floor(dev / 2 ** 20) * 256;
}

function hex(value: number): string {
  return value.toString(16).padStart(2, "0");
}
