import { binding } from "./binding.ts";
import { checkResult, KernelError } from "./errors.ts";

/** Most descriptors that one message may carry (`SCM_MAX_FD` of the kernel). */
export const MAX_MESSAGE_FDS = 253;

/** What {@link receiveFds} took from a socket. */
export interface ReceivedFds {
  /** Empty at the end of the connection. */
  readonly data: Buffer;
  /** For the caller to close; they do not outlive an exec. */
  readonly fds: readonly number[];
  /** The kernel had to leave something out: too many bytes or descriptors, or no free descriptor. Then `fds` is empty. */
  readonly truncated: boolean;
}

/**
 * Two connected Unix sockets that never block and do not outlive an exec, for the caller to close.
 *
 * @param type `packets` keeps messages apart (`SOCK_SEQPACKET`)
 * @throws KernelError
 */
export function socketPair(type: "stream" | "packets"): [number, number] {
  const pair = binding.socketPair(type === "packets");
  if (typeof pair === "number") throw new KernelError(-pair, "socketpair");
  return [pair[0] as number, pair[1] as number];
}

/**
 * Sends `data` (not empty, at most 64 KiB) and with it 1 to {@link MAX_MESSAGE_FDS} descriptors, which stay open here.
 *
 * @throws KernelError `EAGAIN` the socket is full; `ETOOMANYREFS` too many descriptors are under way; `EPIPE`,
 *   `ECONNRESET` the other end is gone
 */
export function sendFds(socket: number, data: Uint8Array, fds: readonly number[]): void {
  checkResult(binding.sendFds(socket, data, Int32Array.from(fds)), "sendmsg");
}

/**
 * Takes what {@link sendFds} sent, without waiting.
 *
 * @param maxBytes most bytes to take, up to 64 KiB
 * @throws KernelError `EAGAIN` nothing is there; `ECONNRESET`
 */
export function receiveFds(socket: number, maxBytes: number): ReceivedFds {
  const received = binding.receiveFds(socket, maxBytes);
  if (typeof received === "number") throw new KernelError(-received, "recvmsg");
  return { data: received.data, fds: [...received.fds], truncated: received.truncated };
}
