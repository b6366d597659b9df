import { readFileSync } from "node:fs";

const CAP_DAC_OVERRIDE = 1n;

/**
 * Whether this process may open every file of a store whatever its owner and mode: it is root, or has
 * `CAP_DAC_OVERRIDE` in effect, as inside `podman unshare`.
 *
 * @see containers-storage.md §6.1
 */
export function canBypassFilePermissions(): boolean {
  return process.getuid?.() === 0 || hasDacOverride(readFileSync("/proc/self/status", "latin1"));
}

/** Whether `CapEff` in the text of `/proc/PID/status` has `CAP_DAC_OVERRIDE`. */
export function hasDacOverride(status: string): boolean {
  const [, mask] = /^CapEff:\s*([0-9a-f]{1,16})$/m.exec(status) ?? [];
  return mask !== undefined && ((BigInt(`0x${mask}`) >> CAP_DAC_OVERRIDE) & 1n) === 1n;
}
