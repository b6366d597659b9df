import { FdSocket } from "@composefs/splitfdstream";
import { serveStores } from "./helper.ts";

const STDIN = 0;
/** Requests are small. */
const LIMITS = { maxBytes: 256 * 1024 };

/** Serves the socket that standard input is, until the other end closes it, as its death does, too. */
export async function serveInherited(): Promise<void> {
  await serveStores(FdSocket.inherit(STDIN, LIMITS));
}
