import type { ProgressListener } from "../progress.ts";
import type { RegistryEnvironment } from "./environment.ts";
import type { Timing } from "./timing.ts";

/** Settings of a source or sink in a registry; with nothing given, those of podman. */
export interface RegistryOptions {
  /** Ends the opening; later accesses have their own. */
  readonly signal?: AbortSignal | undefined;
  /** Where configuration and credentials are; of this process by default. */
  readonly environment?: Partial<RegistryEnvironment> | undefined;
  /** Told, as notes, that the registry makes us wait for a second or more. */
  readonly onProgress?: ProgressListener | undefined;
  /** @internal For tests. */
  readonly timing?: Partial<Timing> | undefined;
}
