import type { Command } from "commander";
import type { Context } from "../context.ts";
import { addFilesystemOptions, type FilesystemArguments, readFilesystem } from "../filesystem.ts";
import { imageFormat } from "../image-format.ts";

/** `compute-id`: what `create-image` would print, storing nothing. */
export function addComputeId(parent: Command, { globals, output }: Context): void {
  const command = parent
    .command("compute-id")
    .description("print the id an image of a directory has; nothing is stored")
    .argument("<path>", "the directory");
  addFilesystemOptions(command).action(async (path: string, options: FilesystemArguments) => {
    const { buildImage, imageId } = await import("@composefs/core");
    const { hash, version } = await imageFormat(globals());
    const root = await readFilesystem(path, options, { hash });
    await output.write(`${imageId(buildImage(root, { version, hash }), hash)}\n`);
  });
}
