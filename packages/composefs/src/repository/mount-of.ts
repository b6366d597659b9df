import { readFileSync } from "node:fs";

/** The mount that an open file lies on. */
export interface Mount {
  /** Type as the kernel calls it, such as `xfs`. */
  readonly type: string;
  readonly mountPoint: string;
}

/** The mount of an open file, for messages; null where /proc does not tell. @see proc_pid_mountinfo(5) */
export function mountOf(fd: number): Mount | null {
  let id: string | undefined;
  let table: string;
  try {
    id = /^mnt_id:\s*(\d+)$/m.exec(readFileSync(`/proc/self/fdinfo/${fd}`, "utf8"))?.[1];
    table = readFileSync("/proc/self/mountinfo", "utf8");
  } catch {
    return null; // /proc is not mounted; the message does without
  }
  const fields = table.split("\n").map((line) => line.split(" "));
  const mount = fields.find(([mountId]) => mountId === id);
  const type = mount?.[mount.indexOf("-") + 1];
  const point = mount?.[4];
  if (type === undefined || point === undefined) return null;
  return { type, mountPoint: point.replace(/\\([0-7]{3})/g, (_, octal: string) => byte(octal)) };
}

function byte(octal: string): string {
  return String.fromCharCode(Number.parseInt(octal, 8));
}
