import { mkdtemp, realpath, rm, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { OciError } from "../errors.ts";
import { isAbsent } from "../is-absent.ts";
import type { BlobSink } from "./blob-sink.ts";
import { openDirectorySink } from "./directory-sink.ts";
import { packDirectory } from "./pack-directory.ts";
import { syncDirectory, writeFile } from "./write-file.ts";

/**
 * A sink that makes a tar of an OCI layout. An archive that is there is replaced as a whole, as skopeo does, once the new
 * one is complete. Until then everything is in a directory beside it: an entry's digest and size must be known before its
 * header can be written, and a compressed layer's are known at its end.
 *
 * @throws OciError `DESTINATION_INVALID` the path is something else than a regular file; node:fs errors
 */
export async function openArchiveSink(path: string, reference: string, tag: string | null): Promise<BlobSink> {
  const file = await archivePath(path);
  const parent = dirname(file);
  const scratch = await mkdtemp(join(parent, ".oci-archive-"));
  try {
    const layout = await openDirectorySink(scratch, { reference, tag, durable: false });
    return {
      ...layout,
      finish: async () => {
        await layout.finish();
        await writeFile(parent, async (archive) => {
          await packDirectory(scratch, archive);
          return file;
        });
        await syncDirectory(parent);
      },
      close: async () => {
        await layout.close();
        await rm(scratch, { recursive: true, force: true });
      },
    };
  } catch (error) {
    await rm(scratch, { recursive: true, force: true });
    throw error;
  }
}

async function parentOf(path: string): Promise<string> {
  const parent = dirname(path);
  try {
    if ((await stat(parent)).isDirectory()) return await realpath(parent);
  } catch (error) {
    if (!isAbsent(error)) throw error;
  }
  throw new OciError("DESTINATION_INVALID", `${path}: there is no directory ${parent}`, {
    details: { path },
    hint: "make the directory first",
  });
}

/** Where a rename puts the archive: behind symbolic links, and on no device, pipe or directory. */
async function archivePath(path: string): Promise<string> {
  const found = await stat(path).catch((error: unknown) => {
    if (isAbsent(error)) return null;
    throw error;
  });
  if (found === null) return join(await parentOf(path), basename(path));
  if (found.isFile()) return realpath(path);
  throw new OciError("DESTINATION_INVALID", `${path} is no regular file, so no archive can take its place`, {
    details: { path },
    hint: "name a file; an OCI layout in a directory is oci:DIR",
  });
}
