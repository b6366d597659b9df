import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { run, succeeds } from "./run.ts";

/** File systems that tests mount. */
export type FsType = "xfs" | "btrfs" | "ext4";

/** A file system of its own in a file, mounted through a loop device. */
export interface LoopFs {
  readonly type: FsType;
  /** The mount point. */
  readonly path: string;
  /** The file with the file system's blocks. */
  readonly image: string;
  /** Unmounts, lets `change` work on the image file, and mounts again: nothing of the old content stays cached. */
  remount(change: () => void): void;
  /** Ends what {@link LoopFsOptions.failsAfter} began. */
  mend(): void;
  /** Unmounts and removes everything; calling it again does nothing. */
  dispose(): void;
}

/** Settings of {@link mountLoopFs}. */
export interface LoopFsOptions {
  /** Size in bytes; the file is sparse. Default 1 GiB. XFS wants at least 300 MB, btrfs 110 MB. */
  readonly size?: number;
  /** More arguments for mkfs. */
  readonly mkfs?: readonly string[];
  /** The disk fails when it has to hold so many bytes more than the empty file system; default never. */
  readonly failsAfter?: number;
}

const MKFS: Record<FsType, readonly string[]> = {
  xfs: ["mkfs.xfs", "-q", "-m", "reflink=1"],
  btrfs: ["mkfs.btrfs", "-q"],
  ext4: ["mkfs.ext4", "-q", "-m", "0"],
};

const PREFIX = "cfs-loop-";
const open = new Set<LoopFs>();
let prepared = false;

/** Makes and mounts a fresh file system under the temporary directory. Needs root and a free loop device. */
export function mountLoopFs(type: FsType, options: LoopFsOptions = {}): LoopFs {
  prepare();
  // The process id in the name tells a later run that this one is gone.
  const base = mkdtempSync(join(tmpdir(), `${PREFIX}${process.pid}-`));
  const disk = join(base, "disk");
  const image = join(disk, "image");
  const path = join(base, "mnt");
  const fs: LoopFs = {
    type,
    path,
    image,
    remount(change) {
      run("umount", [path]);
      change();
      run("mount", ["-o", "loop", image, path]);
    },
    mend() {
      run("mount", ["-o", "remount,size=100%", disk]);
    },
    dispose() {
      if (open.delete(fs)) discard(base);
    },
  };
  open.add(fs);
  try {
    mkdirSync(path);
    mkdirSync(disk);
    if (options.failsAfter !== undefined) run("mount", ["-t", "tmpfs", "tmpfs", disk]);
    writeFileSync(image, "");
    truncateSync(image, options.size ?? 2 ** 30);
    const [mkfs = "", ...args] = MKFS[type];
    run(mkfs, [...args, ...(options.mkfs ?? []), image]);
    run("mount", ["-o", "loop", image, path]);
    if (options.failsAfter !== undefined) {
      run("sync", ["-f", path]);
      const size = statSync(image).blocks * 512 + options.failsAfter;
      run("mount", ["-o", `remount,size=${size}`, disk]);
    }
  } catch (error) {
    fs.dispose();
    throw error;
  }
  return fs;
}

function prepare(): void {
  if (prepared) return;
  prepared = true;
  process.on("exit", () => {
    for (const fs of open) fs.dispose();
  });
  removeLeftovers();
}

/** A killed run cannot unmount; whoever comes next does it for processes that no longer exist. */
function removeLeftovers(): void {
  for (const name of readdirSync(tmpdir())) {
    const pid = new RegExp(`^${PREFIX}(\\d+)-`).exec(name)?.[1];
    if (pid !== undefined && !isAlive(Number(pid))) discard(join(tmpdir(), name));
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

function discard(base: string): void {
  // podman leaves bind and overlay mounts inside; the innermost come last in the table.
  const inside = mountsUnder(base).reverse();
  for (const path of inside) {
    if (!succeeds("umount", [path])) succeeds("umount", ["-l", path]);
  }
  rmSync(base, { recursive: true, force: true });
}

function mountsUnder(base: string): string[] {
  return readFileSync("/proc/self/mounts", "utf8")
    .split("\n")
    .map((line) =>
      (line.split(" ")[1] ?? "").replace(/\\(\d{3})/g, (_, o: string) => String.fromCharCode(parseInt(o, 8))),
    )
    .filter((path) => path.startsWith(`${base}/`));
}
