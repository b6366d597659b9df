import { OciError } from "../errors.ts";
import type { Descriptor } from "../image/manifest.ts";
import { connectionError, isPassing } from "./connection-error.ts";
import type { HttpResponse } from "./http-request.ts";
import type { RegistryClient } from "./registry-client.ts";

/**
 * Reads a blob. Where a connection breaks off, the rest is asked for by `Range`, or from the start where the registry
 * does not do that. At most one piece goes beyond the size of the descriptor; digest and size are the reader's to check.
 *
 * @throws OciError `SOURCE_NOT_FOUND`; `BLOB_DIGEST_MISMATCH` the registry announces another size; `AUTH_FAILED`;
 *   `TRANSPORT`, also when several attempts brought nothing new; the signal's reason
 */
export async function* readRegistryBlob(
  client: RegistryClient,
  descriptor: Descriptor,
  signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array> {
  const { digest, size } = descriptor;
  const what = `blob ${digest}`;
  let delivered = 0;
  let ranges = true;
  for (let failures = 0; ; ) {
    const ranged = ranges && delivered > 0;
    const response = await client.request({
      method: "GET",
      path: `blobs/${digest}`,
      headers: { "accept-encoding": "identity", ...(ranged ? { range: `bytes=${delivered}-` } : {}) },
      expect: ranged ? [200, 206, 416] : [200],
      what,
      signal,
    });
    let failure: unknown;
    const begin = beginning(response);
    if (begin === null || begin > delivered) {
      response.discard();
      ranges = false;
      failure = new Error(`it does not give the bytes from ${delivered} on`);
    } else {
      refuseOtherSize(response, descriptor, `${client.name}: ${what}`);
      try {
        for await (const piece of skipBytes(response.body, delivered - begin)) {
          delivered += piece.length;
          failures = 0;
          yield piece;
          if (delivered > size) return;
        }
        // A chunked body has an end of its own: that is all there is.
        if (delivered === size || (begin === 0 && response.headers["transfer-encoding"] !== undefined)) return;
        failure = new Error(`it ended after ${delivered} of ${size} bytes`);
      } catch (error) {
        if (signal?.aborted) throw signal.reason;
        if (!isPassing(error, true)) throw connectionError(error, `${client.name}: ${what}`, response.url);
        failure = error;
      }
    }
    failures++;
    const error = connectionError(failure, `${client.name}: ${what}`, response.url);
    if (failures >= client.timing.attempts) throw error;
    await client.pause(failures, error, signal);
  }
}

/** Offset of the first byte in an answer; null where it has none of the blob. */
function beginning({ status, headers }: HttpResponse): number | null {
  if (status === 200) return 0;
  const start = /^bytes ([0-9]{1,15})-/.exec(headers["content-range"] ?? "")?.[1];
  return status === 206 && start !== undefined ? Number(start) : null;
}

/** Refuses a wrong size before the bytes have come. */
function refuseOtherSize(response: HttpResponse, { digest, size }: Descriptor, what: string): void {
  const { status, headers } = response;
  const total = /\/([0-9]{1,15})$/.exec(headers["content-range"] ?? "")?.[1];
  const announced = status === 200 ? headers["content-length"] : total;
  if (announced === undefined || Number(announced) === size) return;
  response.discard();
  throw new OciError("BLOB_DIGEST_MISMATCH", `${what}: expected ${size} bytes, the registry announces ${announced}`, {
    details: { digest, expectedBytes: size, announcedBytes: Number(announced) },
    hint: "the registry has another blob than the image says; push the image again",
  });
}

async function* skipBytes(pieces: AsyncIterable<Uint8Array>, count: number): AsyncGenerator<Uint8Array> {
  let skip = count;
  for await (const piece of pieces) {
    if (skip < piece.length) yield piece.subarray(skip);
    skip = Math.max(0, skip - piece.length);
  }
}
