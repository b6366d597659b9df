import { closeSync } from "node:fs";
import { Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { KernelError, MAX_MESSAGE_FDS, receiveFds, sendFds, socketPair } from "@composefs/reflink";
import { ByteQueue } from "../byte-queue.ts";
import { SplitfdstreamError } from "../errors.ts";
import { encodeFrame, encodePacket, FRAME_BYTES, type Frame, invalid, nextNumber, parseFrame } from "./frame.ts";

/** A message as it came. */
export interface FdMessage {
  readonly data: Uint8Array;
  /** Descriptors, for the receiver to close. */
  readonly fds: readonly number[];
}

/** What a socket takes from its peer. */
export interface FdSocketLimits {
  /** Most bytes of one message; default 32 MiB. */
  readonly maxBytes?: number;
  /** Most descriptors of one message, up to 253, which is what the kernel passes at a time; default 253. */
  readonly maxFds?: number;
}

/** A socket for this process, and one descriptor that makes its peer in a child process. */
export interface InheritableSocket {
  readonly socket: FdSocket;
  /** To be handed to a child, which calls {@link FdSocket.inherit} on it, and then closed here. */
  readonly inheritable: number;
}

const DEFAULT_MAX_BYTES = 32 * 1024 * 1024;
/** What tells {@link FdSocket.inherit} that the descriptor is its. */
const GREETING = Buffer.from("fd-socket 1");
/** Pause before another try when the kernel takes no more descriptors for now. */
const FULL_DELAY_MS = 5;
const FULL: ReadonlySet<string> = new Set(["EAGAIN", "ETOOMANYREFS", "ENOBUFS"]);
const GONE: ReadonlySet<string> = new Set([
  "EPIPE",
  "ECONNRESET",
  "ERR_STREAM_DESTROYED",
  "ERR_STREAM_PREMATURE_CLOSE",
]);

/**
 * Messages of bytes and file descriptors between two processes. The bytes run through a stream socket in the hands of
 * Node, so nothing blocks and a slow reader slows the writer; the descriptors through a second socket, one packet a
 * message ({@link Frame}). Nothing the peer sends is trusted; whatever breaks the format ends the connection.
 */
export class FdSocket implements AsyncDisposable {
  readonly #stream: Socket;
  readonly #packets: number;
  readonly #limits: Required<FdSocketLimits>;
  #sent = 0;
  #sending: Promise<unknown> = Promise.resolve();
  #open = true;

  private constructor(stream: number, packets: number, limits: FdSocketLimits) {
    this.#stream = new Socket({ fd: stream, readable: true, writable: true });
    // Reading and writing report it; without a listener it would end the process.
    this.#stream.on("error", () => undefined);
    this.#packets = packets;
    this.#limits = { maxBytes: limits.maxBytes ?? DEFAULT_MAX_BYTES, maxFds: limits.maxFds ?? MAX_MESSAGE_FDS };
  }

  /** Two sockets connected to each other. @throws KernelError */
  static pair(limits: FdSocketLimits = {}): [FdSocket, FdSocket] {
    const { streams, packets } = twoPairs();
    return [new FdSocket(streams[0], packets[0], limits), new FdSocket(streams[1], packets[1], limits)];
  }

  /** A socket whose peer a child process will hold. @throws KernelError */
  static withHeir(limits: FdSocketLimits = {}): InheritableSocket {
    const { streams, packets } = twoPairs();
    sendFds(streams[0], GREETING, [packets[1]]);
    closeSync(packets[1]);
    return { socket: new FdSocket(streams[0], packets[0], limits), inheritable: streams[1] };
  }

  /**
   * The peer of the socket that {@link FdSocket.withHeir} gave the parent.
   *
   * @param fd the inherited descriptor, which belongs to the socket from then on
   * @throws SplitfdstreamError `MESSAGE_INVALID` it is no such descriptor; KernelError `ENOTSOCK` and others
   */
  static inherit(fd: number, limits: FdSocketLimits = {}): FdSocket {
    const { data, fds } = receiveFds(fd, GREETING.length);
    const [packets] = fds;
    if (packets === undefined || fds.length !== 1 || !data.equals(GREETING)) {
      for (const extra of fds) closeSync(extra);
      throw invalid(0, "expected the greeting of a parent process");
    }
    return new FdSocket(fd, packets, limits);
  }

  /**
   * Sends a message after those before it; settles when the kernel has taken it, which waits for a slow reader. The
   * descriptors stay open here and may be closed once it has settled.
   *
   * @throws SplitfdstreamError `CONNECTION_ENDED`; RangeError more than 253 descriptors; KernelError
   */
  async send(data: Uint8Array, fds: readonly number[] = []): Promise<void> {
    if (fds.length > MAX_MESSAGE_FDS) throw new RangeError(`${fds.length} descriptors in a message`);
    const sent = this.#sending.then(() => this.#send(data, fds));
    this.#sending = sent.catch(() => undefined);
    return sent;
  }

  /**
   * The messages of the peer, in order, until it ends the connection. To be called once.
   *
   * @throws SplitfdstreamError `MESSAGE_INVALID`, `TRUNCATED` the peer was gone in the middle of a message,
   *   `CONNECTION_ENDED` this end was closed meanwhile
   */
  async *messages(): AsyncGenerator<FdMessage, void, undefined> {
    const queue = new ByteQueue();
    let expected = 0;
    let frame: Frame | null = null;
    try {
      for await (const piece of this.#stream) {
        queue.push(piece as Buffer);
        for (;;) {
          frame ??= this.#takeFrame(queue, expected);
          const data: Uint8Array | null = frame === null ? null : queue.take(frame.length);
          if (frame === null || data === null) break;
          const fds = frame.fds === 0 ? [] : this.#takeFds(frame);
          frame = null;
          expected = nextNumber(expected);
          yield { data, fds };
        }
      }
    } catch (error) {
      throw ended(error);
    } finally {
      this.close();
    }
    if (frame === null && queue.length === 0) return;
    throw new SplitfdstreamError("TRUNCATED", `connection ended within message ${expected}`, {
      details: { message: expected },
    });
  }

  /** Ends the connection; what is still in it is lost, descriptors included. Harmless when repeated. */
  close(): void {
    if (!this.#open) return;
    this.#open = false;
    this.#stream.destroy();
    closeSync(this.#packets);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.close();
  }

  async #send(data: Uint8Array, fds: readonly number[]): Promise<void> {
    const number = this.#sent;
    this.#sent = nextNumber(number);
    if (fds.length > 0) await this.#sendPacket(number, fds);
    if (!this.#open) throw ended(null);
    this.#stream.cork();
    this.#stream.write(encodeFrame({ number, length: data.length, fds: fds.length }));
    const written = new Promise<void>((resolve, reject) => {
      this.#stream.write(data, (error) => (error ? reject(ended(error)) : resolve()));
    });
    this.#stream.uncork();
    await written;
  }

  async #sendPacket(number: number, fds: readonly number[]): Promise<void> {
    for (;;) {
      if (!this.#open) throw ended(null);
      try {
        sendFds(this.#packets, encodePacket(number), fds);
        return;
      } catch (error) {
        if (!(error instanceof KernelError && FULL.has(error.code))) throw ended(error);
      }
      await sleep(FULL_DELAY_MS);
    }
  }

  #takeFrame(queue: ByteQueue, number: number): Frame | null {
    const bytes = queue.take(FRAME_BYTES);
    return bytes === null ? null : parseFrame(bytes, { number, ...this.#limits });
  }

  #takeFds({ number, fds: count }: Frame): readonly number[] {
    if (!this.#open) throw ended(null);
    const packet = encodePacket(number);
    let fds: readonly number[] = [];
    try {
      const received = receiveFds(this.#packets, packet.length);
      if (received.truncated) {
        throw invalid(
          number,
          "the kernel could not pass its descriptors",
          "raise the limit of open files (`ulimit -n`)",
        );
      }
      fds = received.fds;
      if (fds.length === count && received.data.equals(packet)) return fds;
      const whose = received.data.equals(packet) ? "" : " of another message";
      throw invalid(number, `expected ${count} descriptors, found ${fds.length}${whose}`);
    } catch (error) {
      for (const fd of fds) closeSync(fd);
      if (!(error instanceof KernelError)) throw error;
      throw invalid(number, `expected ${count} descriptors, found none (${error.code})`);
    }
  }
}

function twoPairs(): { streams: [number, number]; packets: [number, number] } {
  const streams = socketPair("stream");
  try {
    return { streams, packets: socketPair("packets") };
  } catch (error) {
    for (const fd of streams) closeSync(fd);
    throw error;
  }
}

/** `error` as `CONNECTION_ENDED` when it says no more than that; null: closed here. */
function ended(error: unknown): unknown {
  const code = (error as NodeJS.ErrnoException | null)?.code;
  if (error !== null && (code === undefined || !GONE.has(code))) return error;
  return new SplitfdstreamError("CONNECTION_ENDED", "the connection to the other process has ended", { cause: error });
}
