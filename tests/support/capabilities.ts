import {
  chmodSync,
  constants,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { CFSCTL_PATH } from "./cfsctl.ts";
import { type FsType, mountLoopFs } from "./loop-fs.ts";
import { createUser } from "./rootless-user.ts";
import { run, succeeds } from "./run.ts";

/** What a machine may lack and a test may need. */
export type Capability =
  | "root"
  | "loop"
  | FsType
  | "reflink"
  | "erofs"
  | "overlay"
  | "verity-vm"
  | "podman"
  | "userns"
  | "fuse"
  | "buildah"
  | "skopeo"
  | "umoci"
  | "zstd"
  | "docker-registry"
  | "filefrag"
  | "cfsctl";

/** Each probe answers why the capability is missing, or null. */
const PROBES: Record<Capability, () => string | null> = {
  root: () => (process.geteuid?.() === 0 ? null : "not running as root"),
  loop: () => probe("root") ?? (succeeds("losetup", ["-f"]) ? null : "no free loop device"),
  xfs: () => probe("loop") ?? mountable("xfs"),
  btrfs: () => probe("loop") ?? mountable("btrfs"),
  ext4: () => probe("loop") ?? mountable("ext4"),
  reflink: () => probe("xfs") ?? mountable("xfs", clones),
  erofs: () => probe("loop") ?? mountsErofs(),
  overlay: () => probe("root") ?? mountsDataOnlyLayers(),
  "verity-vm": () => probe("root") ?? verityVm(),
  podman: () => runnable("podman"),
  userns: () => probe("root") ?? probe("podman") ?? unshares(),
  fuse: () => runnable("fuse-overlayfs") ?? fuseForAll(),
  buildah: () => runnable("buildah"),
  skopeo: () => runnable("skopeo"),
  umoci: () => runnable("umoci"),
  zstd: () => runnable("zstd"),
  "docker-registry": () => runnable("docker-registry") ?? (succeeds("openssl", ["version"]) ? null : "no openssl"),
  filefrag: () => (succeeds("filefrag", ["-V"]) ? null : "filefrag (e2fsprogs) is not installed"),
  cfsctl: () => (succeeds(process.execPath, [CFSCTL_PATH, "--version"]) ? null : "cfsctl is not built (pnpm build)"),
};

const answers = new Map<Capability, string | null>();

/**
 * For `describe.skipIf(requires(...) !== null)`: null when all capabilities are there, else the reason,
 * which is also printed.
 *
 * @throws Error if a missing capability is named in the comma list COMPOSEFS_REQUIRE: where a machine is
 *   meant to have it, a skipped test is a failure.
 */
export function requires(...capabilities: readonly Capability[]): string | null {
  const demanded = (process.env.COMPOSEFS_REQUIRE ?? "").split(",").map((name) => name.trim());
  for (const name of demanded) {
    if (name !== "" && !Object.hasOwn(PROBES, name)) throw new Error(`COMPOSEFS_REQUIRE: unknown capability ${name}`);
  }
  for (const capability of capabilities) {
    const reason = probe(capability);
    if (reason === null) continue;
    if (demanded.includes(capability)) throw new Error(`COMPOSEFS_REQUIRE names ${capability}, but: ${reason}`);
    process.stderr.write(`skipped, needs ${capability}: ${reason}\n`);
    return `${capability}: ${reason}`;
  }
  return null;
}

function probe(capability: Capability): string | null {
  let answer = answers.get(capability);
  if (answer === undefined) {
    answer = PROBES[capability]();
    answers.set(capability, answer);
  }
  return answer;
}

/** tests/support/verity-vm would fetch what it lacks; a test run does not do that unasked. */
function verityVm(): string | null {
  if (CFSCTL_PATH.startsWith("/tmp/")) return "the project lies in /tmp, and the virtual machine has a /tmp of its own";
  const cache = join(process.env.XDG_CACHE_HOME ?? join(homedir(), ".cache"), "verity-vm");
  if (existsSync(cache) && succeeds("qemu-system-x86_64", ["--version"])) return null;
  return "the virtual machine was never started here (`tests/support/verity-vm -- true` fetches it)";
}

/** An ordinary user with subordinate ids gets a namespace with more ids than its own. */
function unshares(): string | null {
  return withDirectory((dir) => {
    chmodSync(dir, 0o755);
    try {
      const user = createUser(dir);
      try {
        const map = user.unshare("cat /proc/self/uid_map");
        return map.split("\n").length > 1 ? null : "`podman unshare` maps one id only (uidmap installed?)";
      } finally {
        user.dispose();
      }
    } catch (error) {
      return `no user namespace for an ordinary user: ${(error as Error).message}`;
    }
  });
}

function fuseForAll(): string | null {
  const mode = existsSync("/dev/fuse") ? statSync("/dev/fuse").mode % 8 : 0;
  return mode >= 6 ? null : "/dev/fuse is not open to every user";
}

function runnable(command: string): string | null {
  return succeeds(command, ["--version"]) ? null : `${command} is not installed`;
}

/** An image recorded with the reference; the file systems known now would miss a module not loaded yet. */
function mountsErofs(): string | null {
  const image = new URL("../../testdata/erofs/01-empty-root.sha256.v1.erofs", import.meta.url);
  return withDirectory((dir) => mounts("erofs", "ro,loop", image.pathname, dir));
}

/** Directories that only serve data came with Linux 6.5; composefs cannot be mounted without. */
function mountsDataOnlyLayers(): string | null {
  return withDirectory((dir) => {
    const [lower, data, place] = ["lower", "data", "place"].map((name) => join(dir, name)) as [string, string, string];
    for (const path of [lower, data, place]) mkdirSync(path);
    return mounts("overlay", `ro,metacopy=on,redirect_dir=on,lowerdir=${lower}::${data}`, "overlay", place);
  });
}

function mounts(type: string, options: string, source: string, place: string): string | null {
  try {
    run("mount", ["-t", type, "-o", options, source, place]);
    run("umount", [place]);
    return null;
  } catch (error) {
    return `cannot mount ${type}: ${(error as Error).message}`;
  }
}

function withDirectory<T>(use: (dir: string) => T): T {
  const dir = mkdtempSync(join(tmpdir(), "capability-"));
  try {
    return use(dir);
  } finally {
    rmSync(dir, { recursive: true });
  }
}

/** A list of known file systems would miss modules not loaded yet; mounting one tells. */
function mountable(type: FsType, check: (dir: string) => string | null = () => null): string | null {
  try {
    const fs = mountLoopFs(type, { size: 400 * 2 ** 20 });
    try {
      return check(fs.path);
    } finally {
      fs.dispose();
    }
  } catch (error) {
    return `cannot mount ${type}: ${(error as Error).message}`;
  }
}

function clones(dir: string): string | null {
  const from = join(dir, "from");
  writeFileSync(from, Buffer.alloc(65_536, 1));
  try {
    copyFileSync(from, join(dir, "to"), constants.COPYFILE_FICLONE_FORCE);
    return null;
  } catch (error) {
    return `FICLONE fails: ${(error as Error).message}`;
  }
}
