import { env } from "node:process";
import { HELPER_VARIABLE } from "./proxy/helper-variable.ts";

/**
 * To be awaited as the very first statement of every program that reads stores: where the program was started to be the
 * helper of another run of itself, serves that, ends the process, and never returns. Costs next to nothing otherwise.
 *
 * @throws CstorageError `HELPER_PROTOCOL`; SplitfdstreamError; KernelError
 * @see containers-storage.md §6.2
 */
export async function initIfHelper(): Promise<void> {
  if (env[HELPER_VARIABLE] === undefined) return;
  // What the helper itself starts is no helper.
  delete env[HELPER_VARIABLE];
  const { serveInherited } = await import("./proxy/serve-inherited.ts");
  await serveInherited();
  process.exit(0);
}
