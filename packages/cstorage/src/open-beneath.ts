import { closeSync, constants, fstatSync, readFileSync } from "node:fs";
import { KernelError, openat2, RESOLVE } from "@composefs/reflink";
import { CstorageError } from "./errors.ts";

const RESOLVE_STORE = RESOLVE.BENEATH | RESOLVE.NO_MAGICLINKS | RESOLVE.NO_SYMLINKS;
const FILE_FLAGS = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK | constants.O_NOCTTY;
/** Without `O_NOFOLLOW`, which would turn the `ELOOP` for a link into an `ENOTDIR`: the link would pass for absent. */
const DIRECTORY_FLAGS = constants.O_RDONLY | constants.O_DIRECTORY;

/**
 * Opens a directory of a store's own structure beneath `dirFd`, following no link. Mount points are crossed: podman
 * mounts `overlay` onto itself.
 *
 * @param shown path for messages
 * @returns a descriptor the caller closes, or null when there is no such directory
 * @throws CstorageError `PERMISSION_DENIED`, `UNSAFE_PATH`; KernelError anything else
 */
export function openDirectory(dirFd: number, path: string, shown: string): number | null {
  return openOrNull(dirFd, path, DIRECTORY_FLAGS, shown);
}

/**
 * Opens a file of a store's own structure (index, lock, tar-split) beneath `dirFd` for reading, as {@link openDirectory}.
 *
 * @throws CstorageError also `STORE_CORRUPT`: not a regular file
 */
export function openFile(dirFd: number, path: string, shown: string): number | null {
  const fd = openOrNull(dirFd, path, FILE_FLAGS, shown);
  if (fd === null || fstatSync(fd).isFile()) return fd;
  closeSync(fd);
  throw new CstorageError("STORE_CORRUPT", `${shown}: expected a regular file`, { details: { file: shown } });
}

/** Content of the file {@link openFile} finds, or null when there is none. For small files. */
export function readFileBeneath(dirFd: number, path: string, shown: string): Buffer | null {
  const fd = openFile(dirFd, path, shown);
  if (fd === null) return null;
  try {
    return readFileSync(fd);
  } finally {
    closeSync(fd);
  }
}

/** The error for a path the user may not open. */
export function permissionDenied(shown: string, cause: unknown): CstorageError {
  return new CstorageError("PERMISSION_DENIED", `${shown}: permission denied`, {
    details: { path: shown },
    hint: "run as the owner of the store: as root, or through `podman unshare` for files of other ids",
    cause,
  });
}

function openOrNull(dirFd: number, path: string, flags: number, shown: string): number | null {
  try {
    return openat2(dirFd, path, { flags, resolve: RESOLVE_STORE });
  } catch (error) {
    if (!(error instanceof KernelError)) throw error;
    switch (error.code) {
      case "ENOENT":
      case "ENOTDIR":
        return null;
      case "EACCES":
      case "EPERM":
        throw permissionDenied(shown, error);
      case "ELOOP":
      case "EXDEV":
        throw new CstorageError("UNSAFE_PATH", `${shown}: a symbolic link stands where podman keeps none`, {
          details: { path: shown },
          cause: error,
        });
      default:
        throw error;
    }
  }
}
