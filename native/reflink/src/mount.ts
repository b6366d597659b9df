import { closeSync } from "node:fs";
import { binding } from "./binding.ts";
import { checkResult, KernelError } from "./errors.ts";

/** `MOUNT_ATTR_RDONLY` of {@link FsContext.mount}. */
export const MOUNT_ATTR_RDONLY = 0x1;
const MOUNT_ATTR_IDMAP = 0x0010_0000;
const UMOUNT_DETACH = 2;
const UMOUNT_NOFOLLOW = 8;

/**
 * A file system being set up: fsopen(2), then fsconfig(2), then fsmount(2). Close it whatever happens.
 * Every call throws KernelError; {@link FsContext.messages} may know more.
 */
export class FsContext {
  readonly #fd: number;
  readonly #type: string;

  private constructor(fd: number, type: string) {
    this.#fd = fd;
    this.#type = type;
  }

  /** @throws KernelError `ENODEV` the kernel does not have this type; `ENOSYS` nor this way to mount */
  static open(type: string): FsContext {
    return new FsContext(checkResult(binding.fsopen(Buffer.from(type)), "fsopen", type), type);
  }

  setFlag(key: string): void {
    this.#check(binding.fsconfigFlag(this.#fd, Buffer.from(key)), key);
  }

  setString(key: string, value: string): void {
    this.#check(binding.fsconfigString(this.#fd, Buffer.from(key), Buffer.from(value)), key);
  }

  /** Sets a parameter to an open file. @throws KernelError `EINVAL` on kernels where it must be a path */
  setFd(key: string, value: number): void {
    this.#check(binding.fsconfigFd(this.#fd, Buffer.from(key), value), key);
  }

  /** Makes the file system of the parameters set, on a native thread. */
  async create(): Promise<void> {
    this.#check(await binding.fsconfigCreate(this.#fd), "create");
  }

  /** A mount of it that is attached nowhere, as a descriptor that the caller closes. @param attributes `MOUNT_ATTR_…` */
  mount(attributes = 0): number {
    return checkResult(binding.fsmount(this.#fd, attributes), "fsmount", this.#type);
  }

  /** Takes the kernel's messages for this context; each begins with `e`, `w` or `i` and a space. */
  messages(): string[] {
    const texts: string[] = [];
    for (;;) {
      const text = binding.fsReadLog(this.#fd);
      if (typeof text === "number") return texts; // ENODATA: no more
      texts.push(text.toString("utf8").trimEnd());
    }
  }

  close(): void {
    closeSync(this.#fd);
  }

  #check(result: number, key: string): void {
    checkResult(result, "fsconfig", `${this.#type}: ${key}`);
  }
}

/** Attaches the mount `fd` to the open (`O_PATH`) place `targetFd`. @throws KernelError */
export function moveMount(fd: number, targetFd: number, path: string): void {
  checkResult(binding.moveMount(fd, targetFd), "move_mount", path);
}

/** Maps owners of the detached mount `fd` through the user namespace `usernsFd`. @throws KernelError */
export function applyIdMap(fd: number, usernsFd: number): void {
  checkResult(binding.mountSetattr(fd, MOUNT_ATTR_IDMAP, usernsFd), "mount_setattr");
}

/**
 * Unmounts what is mounted last at `path`, on a native thread; a symlink is not followed.
 *
 * @param options with `detach` the mount leaves its place now and ends with its last user
 * @throws KernelError `EBUSY` still in use; `EINVAL` nothing is mounted there
 */
export async function unmount(path: string, options: { readonly detach?: boolean } = {}): Promise<void> {
  const flags = UMOUNT_NOFOLLOW | (options.detach ? UMOUNT_DETACH : 0);
  checkResult(await binding.unmount(Buffer.from(path), flags), "umount2", path);
}

/**
 * A read-only loop device over the open file `imageFd`, as an open descriptor. The device goes away when this and every
 * mount of it is closed.
 *
 * @throws KernelError
 */
export async function openLoopDevice(imageFd: number): Promise<number> {
  const fd = await binding.openLoop(imageFd);
  if (fd < 0) throw new KernelError(-fd, "ioctl", "/dev/loop-control");
  return fd;
}
