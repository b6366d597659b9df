import type { Repository } from "@composefs/core";
import type { OciDigest } from "../digest.ts";
import type { StoredLayer } from "../layer/store-layer.ts";
import { contentId } from "../streams.ts";

/** How long a layer may be complete without a name. Each naming waits for the disk, so a short pull should see none. */
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
  #naming: Promise<void> = Promise.resolve();
  #changed = false;

  constructor(repository: Repository) {
    this.#repository = repository;
    this.#timer = setInterval(() => void this.name(), NAMING_INTERVAL_MS);
  }

  /** Whether a name in the repository changed. */
  get changed(): boolean {
    return this.#changed;
  }

  /** Adds a layer; one that is not what its diff_id says must not be found by it. */
  add(diffId: OciDigest, layer: StoredLayer): void {
    if (!layer.isMisnamed) this.#unnamed.set(diffId, layer);
  }

  /** Names those that have no name yet, one naming after the other. Of a failure the pull's own commit, or its end, tells. */
  name(): Promise<void> {
    this.#naming = this.#naming.then(() => this.#nameAll()).catch(() => undefined);
    return this.#naming;
  }

  /** Names no more; settles when none is under way. */
  stop(): Promise<void> {
    clearInterval(this.#timer);
    return this.#naming;
  }

  async #nameAll(): Promise<void> {
    const layers = [...this.#unnamed];
    if (layers.length === 0) return;
    const streams = layers.map(([diffId, { id }]) => ({ contentId: contentId("layer", diffId), id }));
    const changed = await this.#repository.publish({ streams });
    this.#changed ||= changed;
    for (const [diffId] of layers) this.#unnamed.delete(diffId);
  }
}
