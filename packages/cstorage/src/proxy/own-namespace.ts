import { execFile } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { userInfo } from "node:os";
import type { Duplex } from "node:stream";
import { promisify } from "node:util";
import { type HelperChild, startChild } from "./child.ts";
import { HELPER_VARIABLE } from "./helper-variable.ts";
import { mapArguments, subordinateIds } from "./subordinate-ids.ts";

const execFileAsync = promisify(execFile);
/** Waits in the new namespace until its ids are mapped, and becomes the program then: root there only from an exec on. */
const WAIT_FOR_MAP = 'echo >&3; read -r _ <&3 || exit 1; exec 3>&-; exec "$@"';

/**
 * Starts `command` as root of a user namespace of its own, mapped as podman does it. A user without subordinate ids gets
 * one with its own id alone.
 *
 * @throws Error a program is missing, or the kernel or newuidmap(1) refuses
 */
export async function startInOwnNamespace(
  command: readonly string[],
  socket: number,
  env: NodeJS.ProcessEnv,
): Promise<HelperChild> {
  const [uid, gid] = [process.geteuid?.() ?? 0, process.getegid?.() ?? 0];
  const names = [loginName(), String(uid)].filter((name) => name !== null);
  const uids = subordinateIds(readOrEmpty("/etc/subuid"), names);
  const gids = subordinateIds(readOrEmpty("/etc/subgid"), names);
  const marked = { ...env, [HELPER_VARIABLE]: "1" };
  if (uids.length === 0 || gids.length === 0) {
    return startChild(["unshare", "--map-root-user", "--", ...command], socket, marked);
  }
  const shell = ["unshare", "--user", "--", "sh", "-c", WAIT_FOR_MAP, "sh", ...command];
  const child = await startChild(shell, socket, marked, ["pipe"]);
  const gate = child.process.stdio[3] as Duplex;
  gate.on("error", () => undefined);
  try {
    const entered = once(gate, "data").then(() => null);
    const failure = await Promise.race([entered, child.ended]);
    if (failure !== null) throw new Error(failure);
    const pid = child.process.pid as number;
    await execFileAsync("newuidmap", mapArguments(pid, uid, uids));
    await execFileAsync("newgidmap", mapArguments(pid, gid, gids));
    gate.end("\n");
    return child;
  } catch (error) {
    gate.destroy();
    child.kill();
    await child.ended;
    throw error;
  }
}

/** null: nobody in the user database has this uid, as happens in containers. */
function loginName(): string | null {
  try {
    return userInfo().username;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ERR_SYSTEM_ERROR") return null;
    throw error;
  }
}

function readOrEmpty(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return "";
    throw error;
  }
}
