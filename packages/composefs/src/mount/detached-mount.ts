import { closeSync, openSync } from "node:fs";
import { moveMount, O_PATH } from "@composefs/reflink";
import { mountError } from "./mount-error.ts";

/** A mount that is not in the file tree yet. Close it; what was attached stays. */
export class DetachedMount {
  /** What the kernel had to say while it mounted; warnings for a person. */
  readonly messages: readonly string[];
  readonly #name: string;
  #fd: number | null;

  /** @internal use {@link mountImage} */
  constructor(fd: number, name: string, messages: readonly string[]) {
    this.#fd = fd;
    this.#name = name;
    this.messages = messages;
  }

  /** The mount's root, to look into it before it is attached. Valid until {@link DetachedMount.close}. */
  get fd(): number {
    if (this.#fd === null) throw new TypeError("the mount is closed");
    return this.#fd;
  }

  /** Moves the mount onto an existing directory, over what is mounted there. @throws ComposefsError `MOUNT_FAILED` */
  async attach(mountpoint: string): Promise<void> {
    const fd = this.fd;
    let place: number | null = null;
    try {
      place = openSync(mountpoint, O_PATH);
      moveMount(fd, place, mountpoint);
    } catch (error) {
      throw mountError(this.#name, `attaching it to ${mountpoint}`, error);
    } finally {
      if (place !== null) closeSync(place);
    }
  }

  /** Lets go of the mount, which ends here unless it was attached. */
  async close(): Promise<void> {
    if (this.#fd !== null) closeSync(this.#fd);
    this.#fd = null;
  }

  /** As {@link DetachedMount.close}, for `await using`. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}
