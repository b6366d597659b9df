import type { Command } from "commander";
import type { Context } from "../context.ts";
import { addPropagateOption, type FilesystemArguments, readFilesystem } from "../filesystem.ts";
import { imageFormat } from "../image-format.ts";

/** `compute-karg`: the kernel argument that names the image of a directory to boot from. */
export function addComputeKarg(parent: Command, { globals, output }: Context): void {
  const command = parent
    .command("compute-karg")
    .description("print the kernel argument for booting an image of a directory; nothing is stored")
    .argument("<path>", "the directory");
  addPropagateOption(command).action(async (path: string, options: Pick<FilesystemArguments, "propagateUsrToRoot">) => {
    const { bootImageArgument, buildImage, imageId } = await import("@composefs/core");
    const { hash, version } = await imageFormat(globals());
    const root = await readFilesystem(path, { ...options, bootable: true }, { hash });
    const id = imageId(buildImage(root, { version, hash }), hash);
    await output.write(`${bootImageArgument({ version, hash, id, insecure: globals().insecure ?? false })}\n`);
  });
}
