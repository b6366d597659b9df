import { readdirSync, readFileSync, statSync } from "node:fs";

/** A process of the machine. */
export interface ProcessFacts {
  readonly pid: number;
  /** Its arguments, as they are now. */
  readonly command: string;
}

/** Processes that were started as helper of a pull for this user, even inside the user's namespaces. */
export function helpersOf(uid: number): ProcessFacts[] {
  return processesOf(uid).filter(({ pid, command }) => {
    const environ = readOrEmpty(`/proc/${pid}/environ`);
    return /(^|\0)__CSTORAGE_USERNS_HELPER=/.test(environ) && !/^(podman|sh|env)\0/.test(command);
  });
}

/** What runs this user's cfsctl, helpers and the programs in between included. */
export function cfsctlOf(uid: number): ProcessFacts[] {
  return processesOf(uid).filter(({ command }) => command.includes("cfsctl.js"));
}

function processesOf(uid: number): ProcessFacts[] {
  const found: ProcessFacts[] = [];
  for (const name of readdirSync("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    try {
      // Root of the user's namespace is the user out here.
      if (statSync(`/proc/${name}`).uid !== uid && realUid(name) !== uid) continue;
      found.push({ pid: Number(name), command: readFileSync(`/proc/${name}/cmdline`, "latin1") });
    } catch (error) {
      if (!["ENOENT", "ESRCH"].includes((error as NodeJS.ErrnoException).code ?? "")) throw error;
    }
  }
  return found;
}

/** A process that changed its ids is shown as root's. */
function realUid(pid: string): number {
  const [, uid] = /^Uid:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, "latin1")) ?? [];
  return Number(uid);
}

function readOrEmpty(path: string): string {
  try {
    return readFileSync(path, "latin1");
  } catch (error) {
    if (["ENOENT", "ESRCH"].includes((error as NodeJS.ErrnoException).code ?? "")) return "";
    throw error;
  }
}
