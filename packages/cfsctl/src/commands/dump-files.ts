import type { TreeNode } from "@composefs/core";
import type { Command } from "commander";
import { resolveAnyImage } from "../any-name.ts";
import type { Context } from "../context.ts";
import { printable } from "../render/printable.ts";
import { withRepository } from "../repository.ts";

interface DumpFilesArguments {
  readonly backingPathOnly?: true;
}

/** `dump-files`: files of an image as text. */
export function addDumpFiles(parent: Command, { globals, output }: Context): void {
  parent
    .command("dump-files")
    .description("write files of an image as composefs-dump(5) text, directories with all that is in them")
    .argument(
      "<image>",
      "name, id, or at least 8 digits of an EROFS image; tag or digest of an OCI image: its EROFS image",
    )
    .argument("[files...]", "paths in the image (default: all of it)")
    .option("--backing-path-only", "print where each file's content is: `inline`, or a path beneath objects/")
    .action((name: string, files: string[], options: DumpFilesArguments) =>
      withRepository(globals(), async (repository) => {
        const { byteString, lookup, parseImage, writeDumpfile } = await import("@composefs/core");
        const { bytes } = await repository.openImage(await resolveAnyImage(repository, name, globals()));
        const root = parseImage(bytes, { hash: repository.hash });
        const found = (files.length === 0 ? ["/"] : files).map((path) => {
          const node = lookup(root, Buffer.from(path));
          return { path: node === root ? "/" : path, node };
        });
        if (options.backingPathOnly) {
          const lines = await Promise.all(found.map(({ path, node }) => backingLine(path, node)));
          await output.write(lines.join(""));
          return;
        }
        for (const { path, node } of found) {
          const from = { path: byteString(Buffer.from(path)), node };
          for (const piece of writeDumpfile(root, { losses: "write", from })) await output.write(piece);
        }
      }),
    );
}

async function backingLine(path: string, node: TreeNode): Promise<string> {
  const { ComposefsError, isDirectory, objectPath } = await import("@composefs/core");
  if (isDirectory(node)) {
    throw new ComposefsError("PATH_INVALID", `${path} is a directory`, {
      details: { path },
      hint: "--backing-path-only takes files",
    });
  }
  const { content } = node;
  const isObject = content.kind === "external" || content.kind === "external-no-verity";
  return `${printable(path)} ${isObject ? objectPath(content.id) : "inline"}\n`;
}
