import type { Command } from "commander";
import type { Context } from "../context.ts";
import { addFilesystemOptions, type FilesystemArguments, readFilesystem } from "../filesystem.ts";
import { imageFormat } from "../image-format.ts";

/** `create-dumpfile`: a directory as text. */
export function addCreateDumpfile(parent: Command, { globals, output }: Context): void {
  const command = parent
    .command("create-dumpfile")
    .description("write a directory as composefs-dump(5) text; nothing is stored")
    .argument("<path>", "the directory");
  addFilesystemOptions(command).action(async (path: string, options: FilesystemArguments) => {
    const { writeDumpfile } = await import("@composefs/core");
    const { hash } = await imageFormat(globals());
    const root = await readFilesystem(path, options, { hash });
    for (const piece of writeDumpfile(root, { losses: "write" })) await output.write(piece);
  });
}
