import { FdSocket } from "@composefs/splitfdstream";
import { discoverStores } from "../../src/discover.ts";
import { HelperConnection } from "../../src/proxy/connection.ts";
import { serveStores } from "../../src/proxy/helper.ts";
import { StorageProxy } from "../../src/proxy/storage-proxy.ts";
import type { Storage } from "../../src/storage.ts";

/** A proxy whose helper runs in this process. */
export interface InProcessProxy {
  readonly storage: Storage;
  readonly proxy: StorageProxy;
  /** Closes both ends and waits for the helper's own. */
  close(): Promise<void>;
}

/** Serves the stores at `root` and `additional` to a proxy, all in this process. */
export async function proxyOf(root: string, additional: readonly string[] = []): Promise<InProcessProxy> {
  const storage = await discoverStores({ root, additional, env: {} });
  const [ours, theirs] = FdSocket.pair();
  const served = serveStores(theirs);
  const proxy = await StorageProxy.connect(new HelperConnection(ours, async () => "gone"), storage);
  return {
    storage,
    proxy,
    close: async () => {
      await proxy.close();
      await served;
      await storage.close();
      await settled();
    },
  };
}

/** Lets handles that were closed go. */
export async function settled(): Promise<void> {
  for (let i = 0; i < 3; i++) await new Promise((resolve) => setImmediate(resolve));
}
