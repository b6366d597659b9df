import { spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { join } from "node:path";
import { OciError } from "../errors.ts";
import type { AccessOptions, BlobSource, Platform } from "../source/blob-source.ts";
import { openDir } from "../source/dir-source.ts";
import { openDockerArchive } from "../source/docker-archive-source.ts";
import { temporaryDirectory } from "../temporary-directory.ts";

/** Settings of {@link openThroughSkopeo}. */
export interface SkopeoOptions extends AccessOptions {
  readonly platform?: Platform | undefined;
}

/** What skopeo says last is what went wrong. */
const MAX_STDERR_CHARS = 8192;

/**
 * Has skopeo (1.9 or newer) copy an image to a temporary directory, beneath `TMPDIR`, which goes when the source is
 * closed. The copy is of the form `dir:`, where manifests stay as they are; of docker's daemon, which has none, it is
 * `docker-archive:`.
 *
 * @param reference with a transport that skopeo knows
 * @throws OciError `TRANSPORT` skopeo is missing or fails; KernelError; rejects with `signal.reason`
 * @see oci.md §11.7
 */
export async function openThroughSkopeo(reference: string, options: SkopeoOptions = {}): Promise<BlobSource> {
  const directory = await mkdtemp(join(temporaryDirectory(), "composefs-skopeo-"));
  const remove = (): Promise<void> => rm(directory, { recursive: true, force: true });
  try {
    const path = join(directory, "image");
    const isDaemon = reference.startsWith("docker-daemon:");
    await runSkopeo(reference, isDaemon ? `docker-archive:${path}` : `dir:${path}`, options);
    const copy = isDaemon ? await openDockerArchive(reference, path, options) : await openDir(reference, path, options);
    return {
      ...copy,
      close: async () => {
        await copy.close();
        await remove();
      },
    };
  } catch (error) {
    await remove();
    throw error;
  }
}

function runSkopeo(from: string, to: string, { platform, signal }: SkopeoOptions): Promise<void> {
  signal?.throwIfAborted();
  // Podman's storage keeps layers as plain tars, but skopeo would leave gzip in their media types.
  const compress = from.startsWith("containers-storage:") ? ["--dest-compress"] : [];
  const args = ["copy", "--quiet", ...compress, from, to];
  if (platform !== undefined) {
    args.unshift("--override-os", platform.os, "--override-arch", platform.architecture);
    if (platform.variant !== null) args.unshift("--override-variant", platform.variant);
  }
  return new Promise((resolve, reject) => {
    const child = spawn("skopeo", args, { stdio: ["ignore", "ignore", "pipe"] });
    let stderr = "";
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      stderr = (stderr + text).slice(-MAX_STDERR_CHARS);
    });
    const stop = (): void => {
      child.kill();
      // A process it left behind may keep the pipe open.
      child.stderr.destroy();
    };
    signal?.addEventListener("abort", stop, { once: true });
    child.once("error", (cause) => {
      signal?.removeEventListener("abort", stop);
      reject(notStarted(from, cause));
    });
    child.once("close", (status, killedBy) => {
      signal?.removeEventListener("abort", stop);
      if (signal?.aborted) reject(signal.reason as Error);
      else if (status === 0) resolve();
      else reject(failed(from, status === null ? `signal ${killedBy}` : `status ${status}`, stderr.trim()));
    });
  });
}

function notStarted(reference: string, cause: Error): OciError {
  return new OciError("TRANSPORT", `${reference}: skopeo cannot be started`, {
    details: { source: reference },
    hint: "install skopeo 1.9 or newer, which reads images of this transport",
    cause,
  });
}

function failed(reference: string, how: string, stderr: string): OciError {
  const last = stderr.slice(stderr.lastIndexOf("\n") + 1);
  return new OciError("TRANSPORT", `${reference}: skopeo ended with ${how}: ${last || "it said nothing"}`, {
    details: { source: reference, stderr },
    hint: `try \`skopeo inspect ${reference}\``,
  });
}
