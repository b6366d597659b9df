import type { ErofsFormats } from "@composefs/core";
import type { PullResult } from "@composefs/oci";
import { statisticsJson } from "../../render/statistics.ts";

/** What `oci pull --json` and `oci copy --json` print (cli.md §1.4). */
export function pullResultJson(result: PullResult, erofs: ErofsFormats): object {
  // With --erofs-version there is one, of another format perhaps.
  const image = result.imageIds.get(erofs.default) ?? [...result.imageIds.values()][0];
  return {
    manifest_digest: result.manifestDigest,
    config_digest: result.configDigest,
    manifest_verity: result.manifestId,
    config_verity: result.configId,
    tag: result.tag,
    ...(result.referrers.length === 0 ? {} : { referrers: result.referrers }),
    image: image ?? null,
    boot_image: [...(result.bootImages?.wanted.values() ?? [])][0] ?? null,
    changed: result.changed,
    stats: statisticsJson(result.stats),
  };
}
