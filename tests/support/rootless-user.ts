import { chownSync, existsSync, mkdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { run, runBytes, succeeds } from "./run.ts";

/** An ordinary user of the machine with subordinate ids, made for a test. */
export interface RootlessUser {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
  /** Home directory; where its store is by default. */
  readonly home: string;
  /** The user's `XDG_RUNTIME_DIR`. */
  readonly runtime: string;
  /** The user's environment, complete. */
  readonly env: NodeJS.ProcessEnv;
  /** Runs a command as the user; its standard output. */
  run(command: string, args: readonly string[], input?: string): string;
  /** Runs a shell script as root of the user's namespace, as podman makes it. */
  unshare(script: string): string;
  /** Gives a path to the user. */
  own(path: string): string;
  /** Ends what podman left running for the user, and removes the user. */
  dispose(): void;
}

const PREFIX = "cfsuser";
const made = new Set<RootlessUser>();
let count = 0;
let prepared = false;

/** Settings of {@link createUser}. */
export interface CreateUserOptions {
  /** Give the user ranges in /etc/subuid and /etc/subgid; default true. */
  readonly subordinateIds?: boolean;
}

/**
 * Makes a user whose home and runtime directory lie in `base`, which the user must be able to reach. Needs root. What
 * lies in `base` already is seen by podman; a file system mounted there later may not be.
 */
export function createUser(base: string, options: CreateUserOptions = {}): RootlessUser {
  prepare();
  // The process id in the name tells a later run that this one is gone.
  const name = `${PREFIX}${process.pid}n${count++}`;
  const home = join(base, name);
  run("useradd", ["--create-home", "--home-dir", home, "--shell", "/bin/sh", name]);
  const [uid, gid] = ["-u", "-g"].map((option) => Number(run("id", [option, name]))) as [number, number];
  setSubordinateIds(name, options.subordinateIds ?? true);
  const runtime = runtimeDirectory(name);
  const temporary = join(home, "tmp");
  for (const dir of [runtime, temporary]) {
    mkdirSync(dir, { mode: 0o700 });
    chownSync(dir, uid, gid);
  }
  const env = {
    PATH: process.env.PATH ?? "/usr/bin:/bin",
    HOME: home,
    USER: name,
    LOGNAME: name,
    XDG_RUNTIME_DIR: runtime,
    TMPDIR: temporary,
  };
  const asUser = (command: string, args: readonly string[], input?: string): string =>
    runBytes(command, args, { cwd: home, env, uid, gid, ...(input === undefined ? {} : { input }) })
      .toString("utf8")
      .trimEnd();
  const user: RootlessUser = {
    name,
    uid,
    gid,
    home,
    runtime,
    env,
    run: asUser,
    unshare: (script) => asUser("podman", ["unshare", "sh", "-e"], script),
    own: (path) => {
      run("chown", ["-R", `${uid}:${gid}`, path]);
      return path;
    },
    dispose: () => {
      if (!made.delete(user)) return;
      removeUser(name);
      rmSync(home, { recursive: true, force: true });
    },
  };
  made.add(user);
  return user;
}

/** useradd gives ranges or not as the machine is set up; tests want to know. */
function setSubordinateIds(name: string, wanted: boolean): void {
  for (const [file, add, remove] of [
    ["/etc/subuid", "--add-subuids", "--del-subuids"],
    ["/etc/subgid", "--add-subgids", "--del-subgids"],
  ] as const) {
    const text = existsSync(file) ? readFileSync(file, "utf8") : "";
    const [, start, count] = new RegExp(`^${name}:(\\d+):(\\d+)$`, "m").exec(text) ?? [];
    if (wanted && start === undefined) run("usermod", [add, "500000-565535", name]);
    if (!wanted && start !== undefined) {
      run("usermod", [remove, `${start}-${Number(start) + Number(count) - 1}`, name]);
    }
  }
}

/** podman takes no path of more than 50 characters for it. */
function runtimeDirectory(name: string): string {
  return join("/tmp", name);
}

function removeUser(name: string): void {
  const runtime = runtimeDirectory(name);
  // podman keeps a process that holds the namespace.
  const pause = join(runtime, "libpod/tmp/pause.pid");
  if (existsSync(pause)) succeeds("kill", ["-9", readFileSync(pause, "latin1").trim()]);
  succeeds("userdel", ["--force", name]);
  rmSync(runtime, { recursive: true, force: true });
}

function prepare(): void {
  if (prepared) return;
  prepared = true;
  process.on("exit", () => {
    for (const user of made) user.dispose();
  });
  // A killed run cannot clean up; whoever comes next does it for processes that no longer exist.
  for (const line of readFileSync("/etc/passwd", "utf8").split("\n")) {
    const [, name, pid] = new RegExp(`^(${PREFIX}(\\d+)n\\d+):`).exec(line) ?? [];
    if (name !== undefined && !existsSync(`/proc/${pid}`)) removeUser(name);
  }
}
