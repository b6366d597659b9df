import { read } from "node:fs";
import { promisify } from "node:util";

const readAsync = promisify(read);
const BUFFER_BYTES = 256 * 1024;
/** Small files share a buffer as long as a read of this many bytes still fits. */
const MIN_READ_BYTES = 64 * 1024;

/** Reads files by position, so that the offset of their descriptors neither counts nor changes. */
export class PositionalReader {
  #buffer: Buffer = Buffer.alloc(0);
  #used = 0;

  /**
   * Content of a file from its start: pieces that are never overwritten.
   *
   * @param limit - bytes to read at most; without it, to the end of the file
   * @throws the error of the kernel, with `errno`, `code` and `syscall`
   */
  async *read(fd: number, limit: number = Number.POSITIVE_INFINITY): AsyncGenerator<Uint8Array, void, undefined> {
    for (let position = 0; position < limit; ) {
      if (this.#buffer.length - this.#used < MIN_READ_BYTES) {
        this.#buffer = Buffer.allocUnsafeSlow(BUFFER_BYTES);
        this.#used = 0;
      }
      const buffer = this.#buffer;
      const start = this.#used;
      const room = Math.min(buffer.length - start, limit - position);
      const { bytesRead } = await readAsync(fd, buffer, start, room, position);
      if (bytesRead === 0) {
        return;
      }
      this.#used = start + bytesRead;
      position += bytesRead;
      yield buffer.subarray(start, start + bytesRead);
    }
  }
}
