import { type FileHandle, open } from "node:fs/promises";
import { OciError } from "../errors.ts";
import { isAbsent } from "../is-absent.ts";

/** Far above any real configuration or auth file. */
const MAX_CONFIG_BYTES = 4 * 1024 * 1024;

/**
 * Bytes of a file of configuration, or null where there is none.
 *
 * @throws OciError `REGISTRY_CONFIG_INVALID` too large; KernelError-like errors of node:fs with `path`
 */
export async function readConfigFile(path: string): Promise<Buffer | null> {
  let file: FileHandle;
  try {
    file = await open(path, "r");
  } catch (error) {
    if (isAbsent(error)) return null;
    throw error;
  }
  try {
    const { size } = await file.stat();
    if (size > MAX_CONFIG_BYTES) throw configInvalid(path, `it has ${size} bytes, more than ${MAX_CONFIG_BYTES}`);
    const buffer = Buffer.alloc(MAX_CONFIG_BYTES + 1);
    let length = 0;
    while (length < buffer.length) {
      const { bytesRead } = await file.read(buffer, length, buffer.length - length);
      if (bytesRead === 0) return Buffer.from(buffer.subarray(0, length));
      length += bytesRead;
    }
    throw configInvalid(path, `it has more than ${MAX_CONFIG_BYTES} bytes`);
  } finally {
    await file.close();
  }
}

/** The error for a file of configuration that makes no sense. */
export function configInvalid(path: string, problem: string, cause?: unknown): OciError {
  return new OciError("REGISTRY_CONFIG_INVALID", `${path}: ${problem}`, {
    details: { path },
    hint: "correct the file",
    cause,
  });
}
