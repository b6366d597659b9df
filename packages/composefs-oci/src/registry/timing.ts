/** How long to wait for what, in milliseconds, and how often to try. */
export interface Timing {
  /** Without a byte in either direction for so long, a connection counts as lost. */
  readonly idleMs: number;
  /** The same while a registry finishes an upload: it may have to read all of it again. */
  readonly commitMs: number;
  /** Wait before the second attempt; each later one doubles it. */
  readonly backoffMs: number;
  /** Longest wait that a registry may ask for by `Retry-After`. */
  readonly maxRetryAfterMs: number;
  /** Attempts in a row without progress. */
  readonly attempts: number;
}

/** Chosen so that a registry's restart is survived, and a dead network is told of within minutes. */
export const DEFAULT_TIMING: Timing = {
  idleMs: 60_000,
  commitMs: 600_000,
  backoffMs: 500,
  maxRetryAfterMs: 60_000,
  attempts: 5,
};

/** Wait after the failed attempt `n`, counted from 1: between half and all of the doubled time, so that clients spread. */
export function backoffMs({ backoffMs: first }: Timing, n: number): number {
  return first * 2 ** (n - 1) * (0.5 + Math.random() / 2);
}

/** What a `Retry-After` header asks for, in milliseconds from `nowMs`: seconds, or a date. Null without a sense. */
export function retryAfterMs(header: string | undefined, nowMs: number): number | null {
  if (header === undefined) return null;
  const text = header.trim();
  if (/^[0-9]{1,9}$/.test(text)) return Number(text) * 1000;
  const at = /^[A-Z]/i.test(text) ? Date.parse(text) : Number.NaN;
  return Number.isNaN(at) ? null : Math.max(0, at - nowMs);
}
