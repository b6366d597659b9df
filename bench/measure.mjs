import { spawnSync } from "node:child_process";

/**
 * Node does not tell what a child used and time(1) is not everywhere; Python's wait4 counts the child with all it waited
 * for. The measurements go through file descriptor 3.
 */
const WRAPPER = `
import os, sys, time
start = time.monotonic()
pid = os.posix_spawnp(sys.argv[1], sys.argv[1:], os.environ, file_actions=[(os.POSIX_SPAWN_CLOSE, 3)])
_, status, usage = os.wait4(pid, 0)
wall = time.monotonic() - start
os.write(3, f"{wall} {usage.ru_utime + usage.ru_stime} {usage.ru_maxrss * 1024}".encode())
sys.exit(os.waitstatus_to_exitcode(status) & 255)
`;

/**
 * Runs a command to its end.
 *
 * @returns seconds of wall clock, seconds of user and system CPU, peak resident bytes, and its standard output
 * @throws Error with what it wrote on stderr if its status is not 0
 */
export function measure(command, args, env = process.env) {
  const result = spawnSync("python3", ["-c", WRAPPER, command, ...args], {
    env,
    encoding: "utf8",
    stdio: ["ignore", "pipe", "pipe", "pipe"],
    maxBuffer: 2 ** 26,
  });
  if (result.error !== undefined) throw result.error;
  if (result.status !== 0) throw new Error(`${command} ${args.join(" ")}: status ${result.status}: ${result.stderr}`);
  const [wall, cpu, memory] = result.output[3].split(" ").map(Number);
  return { wall, cpu, memory, stdout: result.stdout };
}
