import { setFlagsFromString } from "node:v8";
import type { Platform, ProgressListener, PullResult } from "@composefs/oci";
import { type Command, InvalidArgumentError, Option } from "commander";
import type { Context } from "../../context.ts";
import { chosenVersion } from "../../image-format.ts";
import { interruptible } from "../../interrupt.ts";
import { compatWhiteoutsOption, type JsonVersion, jsonOption, valueOption } from "../../options.ts";
import { printable } from "../../render/printable.ts";
import { formatStatistics } from "../../render/statistics.ts";
import { withRepository } from "../../repository.ts";
import { UsageError } from "../../usage-error.ts";
import { addProgressOptions, type ProgressArguments, withProgress } from "./progress-options.ts";
import { pullResultJson } from "./pull-result.ts";
import { objectIdArgument } from "./tree-arguments.ts";

interface PullArguments extends ProgressArguments {
  readonly json?: JsonVersion;
  readonly zeroCopy?: true;
  readonly hardlink?: true;
  readonly verify?: "crc" | "diffid" | "none";
  readonly verifyDiffid: boolean;
  readonly platform?: Platform;
  readonly referrers?: true;
  readonly localFetch?: "disabled" | "auto" | "zerocopy";
  readonly compatWhiteouts?: true;
  readonly bootable?: true;
  readonly expectedDigest?: string;
}

/** `oci pull`: an image into the repository. */
export function addOciPull(parent: Command, context: Context): void {
  const command = parent
    .command("pull")
    .description("bring an image into the repository, sharing its files where the file systems can")
    .argument(
      "<image>",
      "containers-storage:NAME (podman, buildah), docker://HOST/NAME[:TAG], or a name that registries.conf has an alias for, oci:DIR[:TAG], oci-archive:FILE[:TAG], docker-archive:FILE[:NAME], dir:DIR; docker-daemon:NAME and others through skopeo",
    )
    .argument("[name]", "tag to give it (default: <image>)")
    .addOption(jsonOption("print the result as JSON"))
    .option("--zero-copy", "refuse rather than copy files, before anything is written")
    .option("--hardlink", "link files that cannot be cloned: podman and the repository then share the inode")
    .addOption(
      valueOption("--verify <what>", "check file checksums, also the whole layer, or neither (default: crc)", [
        "crc",
        "diffid",
        "none",
      ]),
    )
    .option("--no-verify-diffid", "do not check layers from elsewhere against their diff_ids; blobs are always checked")
    .addOption(
      new Option(
        "--platform <os/arch[/variant]>",
        "of several images take the one for this platform (default: this machine's)",
      ).argParser(parsePlatform),
    )
    .option("--referrers", "also pull the artifacts about the image: signatures, SBOMs")
    .addOption(
      valueOption("--local-fetch <how>", "disabled: read podman's images with skopeo; zerocopy: as --zero-copy", [
        "disabled",
        "auto",
        "zerocopy",
      ]).hideHelp(),
    )
    .addOption(compatWhiteoutsOption())
    .option("--bootable", "make the image to boot as well: /boot and /sysroot empty, SELinux labels set")
    .option("--expected-digest <id>", "with --bootable: make the image to boot that has this id, or fail");
  addProgressOptions(command).action((image: string, name: string | undefined, options: PullArguments) =>
    withRepository(context.globals(), async (repository) => {
      const { givenTagRef, hasTransport, pull } = await import("@composefs/oci/pull");
      const { expectedDigest } = options;
      if (expectedDigest !== undefined && !options.bootable) throw new UsageError("--expected-digest needs --bootable");
      // One without a transport is an alias of an image in a registry, if it is anything.
      refuseForeignOptions(hasTransport(image) ? image : `docker://${image}`, options);
      if (name !== undefined) givenTagRef(name);
      const expectedBootImage =
        expectedDigest === undefined
          ? undefined
          : await objectIdArgument(repository, expectedDigest.toLowerCase(), "--expected-digest");
      // A pull is over before functions inlined into each other repay V8's time to compile them (docs/performance.md).
      setFlagsFromString("--no-turbo-inlining");
      const work = (onProgress: ProgressListener | undefined, signal: AbortSignal): Promise<PullResult> =>
        pull(repository, image, {
          signal,
          tag: name ?? image,
          verify: options.verify ?? "crc",
          verifyDiffId: options.verifyDiffid,
          platform: options.platform,
          referrers: options.referrers ?? false,
          throughSkopeo: options.localFetch === "disabled",
          hardlink: options.hardlink ?? false,
          zeroCopy: options.zeroCopy ?? options.localFetch === "zerocopy",
          erofsVersion: chosenVersion(context.globals()),
          compatWhiteouts: options.compatWhiteouts ?? false,
          bootable: options.bootable ?? false,
          expectedBootImage,
          onProgress,
        });
      const result = await withProgress(context, options, (onProgress) =>
        interruptible((signal) => work(onProgress, signal)),
      );
      if (options.json) await context.output.writeJson(pullResultJson(result, repository.erofs));
      else await context.output.write(resultText(result, expectedDigest !== undefined));
    }),
  );
}

/** Options that only a pull by file can follow. */
const STORE_OPTIONS = [
  ["zeroCopy", "--zero-copy"],
  ["hardlink", "--hardlink"],
  ["verify", "--verify"],
] as const;

/** Transports of sources that can tell which artifacts are about an image. */
const WITH_REFERRERS = ["docker:", "registry:", "oci:", "oci-archive:"] as const;

function refuseForeignOptions(image: string, options: PullArguments): void {
  if (options.referrers && !WITH_REFERRERS.some((transport) => image.startsWith(transport)))
    throw new UsageError(`--referrers is for images of ${WITH_REFERRERS.join(", ")}`);
  if (image.startsWith("containers-storage:") && options.localFetch !== "disabled") return;
  const [, flag] = STORE_OPTIONS.find(([name]) => options[name] !== undefined) ?? [];
  if (flag !== undefined) throw new UsageError(`${flag} is for containers-storage: images, read directly`);
}

function parsePlatform(text: string): Platform {
  const [, os, architecture, variant] = /^([a-z0-9]+)\/([a-z0-9_]+)(?:\/([a-z0-9.]+))?$/.exec(text) ?? [];
  if (os === undefined || architecture === undefined) {
    throw new InvalidArgumentError("Expected os/arch or os/arch/variant, such as linux/arm64.");
  }
  return { os, architecture, variant: variant ?? null };
}

function resultText(result: PullResult, expected: boolean): string {
  const lines = [
    `manifest ${result.manifestDigest}`,
    `config   ${result.configDigest}`,
    `verity   ${result.manifestId}`,
  ];
  if (result.tag !== null) lines.push(`tagged   ${printable(result.tag)}`);
  if (result.referrers.length > 0) lines.push(`referrers ${result.referrers.length}`);
  return `${lines.join("\n")}\n${formatStatistics(result.stats)}${bootImageLine(result, expected)}`;
}

function bootImageLine({ bootImages }: PullResult, expected: boolean): string {
  const [main] = bootImages?.wanted ?? [];
  if (main === undefined) return "";
  const [version, id] = main;
  const how = expected ? ` (xattr-mode=${bootImages?.xattrs}, format-version=V${version})` : "";
  return `Boot image: ${id}${how}\n`;
}
