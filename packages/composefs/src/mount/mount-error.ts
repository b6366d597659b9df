import { KernelError } from "@composefs/reflink";
import { ComposefsError } from "../errors.ts";

/** What usually stands behind an errno of the mount calls. */
const HINTS: Readonly<Record<string, string>> = {
  EPERM: "mounting needs CAP_SYS_ADMIN in the initial user namespace: run as root",
  EACCES: "mounting needs CAP_SYS_ADMIN in the initial user namespace: run as root",
  ENODEV: "the kernel has no such file system: load its module (modprobe erofs overlay)",
  ENOSYS: "the kernel has no fsopen(2): Linux 5.2 or later is needed",
  EINVAL: "the kernel log (dmesg) may say more; data-only lower directories need Linux 6.5, verity needs 6.6",
  ENOTBLK: "mounting an image file without loop device needs Linux 6.12 and a file system on disk",
  ENOENT: "it has to be there before",
  EBUSY: "the upper or work directory is in use by another mount",
};

/**
 * The error for a step of a mount that failed.
 *
 * @param doing what was tried, for the message
 * @param messages what the kernel wrote to the file system context
 */
export function mountError(name: string, doing: string, cause: unknown, messages: readonly string[] = []): unknown {
  if (!(cause instanceof KernelError) && !(cause instanceof Error && "errno" in cause)) return cause;
  const code = (cause as NodeJS.ErrnoException).code ?? "";
  const said = messages.map((message) => message.replace(/^[ewi] /, ""));
  const hint = HINTS[code];
  return new ComposefsError(
    "MOUNT_FAILED",
    `mounting ${name}: ${doing}: ${cause.message}${said.length > 0 ? ` (kernel: ${said.join("; ")})` : ""}`,
    { details: { name, doing, errno: code, messages: said }, ...(hint === undefined ? {} : { hint }), cause },
  );
}
