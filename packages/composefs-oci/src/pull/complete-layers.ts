import type { Repository } from "@composefs/core";
import type { OciDigest } from "../digest.ts";
import type { StoredLayer } from "../layer/store-layer.ts";
import { contentId } from "../streams.ts";

/** How often layers get names. Each time waits for the disk, so a short pull should see none. */
const NAMING_INTERVAL_MS = 5_000;

/**
 * Layers of a pull that are complete while others are not. They get names now and then, by which another pull finds them:
 * one that is killed, or whose machine loses power, has not to be done all over again. Nothing refers to such a layer, so that
 * a collection takes it.
 */
export class CompleteLayers {
  readonly #repository: Repository;
  readonly #unnamed = new Map<OciDigest, StoredLayer>();
  readonly #timer: NodeJS.Timeout;
  #naming: Promise<void> | null = null;
  #changed = false;

  constructor(repository: Repository) {
    this.#repository = repository;
    this.#timer = setInterval(() => {
      this.#naming ??= this.name().finally(() => {
        this.#naming = null;
      });
    }, NAMING_INTERVAL_MS);
  }

  /** Whether a name in the repository changed. */
  get changed(): boolean {
    return this.#changed;
  }

  /** Adds a layer; one that is not what its diff_id says must not be found by it. */
  add(diffId: OciDigest, layer: StoredLayer): void {
    if (!layer.isMisnamed) this.#unnamed.set(diffId, layer);
  }

  /** Leaves naming to the caller from now on; settles when none is under way. */
  async stop(): Promise<void> {
    clearInterval(this.#timer);
    await this.#naming;
  }

  /** Names those that have no name yet. What goes wrong is for the pull's own end to tell. */
  async name(): Promise<void> {
    const layers = [...this.#unnamed];
    if (layers.length === 0) return;
    const streams = layers.map(([diffId, { id }]) => ({ contentId: contentId("layer", diffId), id }));
    try {
      const changed = await this.#repository.publish({ streams });
      this.#changed ||= changed;
      for (const [diffId] of layers) this.#unnamed.delete(diffId);
    } catch {
      // They are tried again, at the latest by the commit.
    }
  }
}
