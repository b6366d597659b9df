import { type FileHandle, open, readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { BLOCK_SIZE, encodeEntryHeader, paddingAfter } from "@composefs/tar-header";
import { writeAll } from "./write-file.ts";

const PIECE_BYTES = 1024 * 1024;
const MODE = { directory: 0o755, regular: 0o644 } as const;

/**
 * Writes a directory of plain files as a tar: entries sorted bytewise by path, owner 0, time 0, so that the same content
 * makes the same archive.
 *
 * @throws node:fs errors; Error a file changed meanwhile
 */
export async function packDirectory(directory: string, archive: FileHandle): Promise<void> {
  await packBeneath(directory, "", archive);
  await writeAll(archive, Buffer.alloc(2 * BLOCK_SIZE));
}

async function packBeneath(directory: string, prefix: string, archive: FileHandle): Promise<void> {
  const items = await readdir(join(directory, prefix), { withFileTypes: true });
  const paths = items.map((item) => `${prefix}${item.name}${item.isDirectory() ? "/" : ""}`);
  for (const path of paths.sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)))) {
    if (!path.endsWith("/")) {
      await packFile(directory, path, archive);
      continue;
    }
    await writeAll(archive, header(path, "directory", 0));
    await packBeneath(directory, path, archive);
  }
}

async function packFile(directory: string, path: string, archive: FileHandle): Promise<void> {
  const { size } = await stat(join(directory, path));
  await writeAll(archive, header(path, "regular", size));
  const file = await open(join(directory, path));
  try {
    const buffer = Buffer.allocUnsafeSlow(PIECE_BYTES);
    let done = 0;
    while (done < size) {
      const { bytesRead } = await file.read(buffer, 0, Math.min(buffer.length, size - done));
      if (bytesRead === 0) throw new Error(`${join(directory, path)} became shorter while it was read`);
      await writeAll(archive, buffer.subarray(0, bytesRead));
      done += bytesRead;
    }
  } finally {
    await file.close();
  }
  await writeAll(archive, Buffer.alloc(paddingAfter(size)));
}

function header(path: string, type: keyof typeof MODE, size: number): Uint8Array {
  return encodeEntryHeader({ path: Buffer.from(path), type, size, mode: MODE[type] });
}
