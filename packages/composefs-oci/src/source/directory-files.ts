import { join } from "node:path";
import type { FileContent, FileSet } from "./file-set.ts";
import { openRegular, readRange } from "./read-file.ts";

/** The files beneath a directory. Symbolic links are followed: what they lead to is checked like anything else. */
export function directoryFiles(directory: string): FileSet {
  return {
    open: async (path): Promise<FileContent | null> => {
      const file = await openRegular(join(directory, path));
      if (file === null) return null;
      const { size } = await file.stat();
      return {
        size,
        // A file that grows is read on, so that a wrong size shows.
        read: (options) => readRange(file, 0, Number.MAX_SAFE_INTEGER, options),
        close: () => file.close(),
      };
    },
    close: async () => undefined,
  };
}
