import { SplitfdstreamError } from "../errors.ts";

/**
 * Frame of a message on the byte stream, little-endian:
 *
 * | offset | size | meaning                                                   |
 * | ------ | ---- | --------------------------------------------------------- |
 * | 0      | 4    | number of the message: 0, 1, 2, … in this direction       |
 * | 4      | 4    | length of the data in bytes                               |
 * | 8      | 4    | descriptors that came with it, on the other socket        |
 * | 12     |      | the data                                                  |
 *
 * A message with descriptors is announced by its frame after they were sent: one packet with the message's number as its
 * four bytes. So whoever has read the frame finds the packet there, and needs not wait.
 */
export interface Frame {
  readonly number: number;
  readonly length: number;
  readonly fds: number;
}

/** Bytes of a frame before the data. */
export const FRAME_BYTES = 12;
/** Bytes of a packet with descriptors. */
const PACKET_BYTES = 4;
const NUMBERS = 2 ** 32;

/** The number after `number`. */
export function nextNumber(number: number): number {
  return (number + 1) % NUMBERS;
}

/** The bytes before the data. */
export function encodeFrame({ number, length, fds }: Frame): Buffer {
  const bytes = Buffer.alloc(FRAME_BYTES);
  bytes.writeUInt32LE(number, 0);
  bytes.writeUInt32LE(length, 4);
  bytes.writeUInt32LE(fds, 8);
  return bytes;
}

/**
 * Reads {@link encodeFrame}'s bytes and holds them to what may come next.
 *
 * @throws SplitfdstreamError `MESSAGE_INVALID` another number, too much data, too many descriptors
 */
export function parseFrame(bytes: Uint8Array, expected: { number: number; maxBytes: number; maxFds: number }): Frame {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const frame = { number: view.getUint32(0, true), length: view.getUint32(4, true), fds: view.getUint32(8, true) };
  const { number, maxBytes, maxFds } = expected;
  if (frame.number !== number) throw invalid(number, `expected message ${number}, found ${frame.number}`);
  if (frame.length > maxBytes) throw invalid(number, `expected at most ${maxBytes} bytes, found ${frame.length}`);
  if (frame.fds > maxFds) throw invalid(number, `expected at most ${maxFds} descriptors, found ${frame.fds}`);
  return frame;
}

/** The four bytes that go with descriptors. */
export function encodePacket(number: number): Buffer {
  const bytes = Buffer.alloc(PACKET_BYTES);
  bytes.writeUInt32LE(number);
  return bytes;
}

/** The error for a peer that does not keep to the format. */
export function invalid(number: number, problem: string, hint?: string): SplitfdstreamError {
  return new SplitfdstreamError("MESSAGE_INVALID", `message ${number}: ${problem}`, {
    details: { message: number },
    ...(hint === undefined ? {} : { hint }),
  });
}
