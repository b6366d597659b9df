import type { ErofsVersion } from "@composefs/core";
import type { Command } from "commander";
import type { Context } from "../context.ts";
import { addFilesystemOptions, type FilesystemArguments, readFilesystem } from "../filesystem.ts";
import { chosenVersion } from "../image-format.ts";
import { refName } from "../ref-name.ts";
import { withRepository } from "../repository.ts";

/** `create-image`: an image of a directory. */
export function addCreateImage(parent: Command, { globals, output }: Context): void {
  const command = parent
    .command("create-image")
    .description("store a directory's files and an image of it")
    .argument("<path>", "the directory")
    .argument("[name]", "ref to give to the image, beneath images/refs/");
  addFilesystemOptions(command).action((path: string, name: string | undefined, options: FilesystemArguments) =>
    withRepository(globals(), async (repository) => {
      const { buildImage } = await import("@composefs/core");
      repository.ensureWritable();
      const ref = name === undefined ? undefined : refName(name);
      // A name that cannot be given is refused before the work begins.
      if (ref !== undefined) repository.readRef("images", ref);
      const { hash, objects, erofs } = repository;
      const root = await readFilesystem(path, options, { hash, store: objects.store() });
      const version = chosenVersion(globals()) ?? erofs.default;
      const store = (format: ErofsVersion, as?: string) =>
        repository.storeImage(buildImage(root, { version: format, hash }), { name: as, checked: true });
      const extra = chosenVersion(globals()) === undefined ? erofs.extra : [];
      for (const other of extra) if (other !== version) await store(other);
      await output.write(`${hash}:${await store(version, ref)}\n`);
    }),
  );
}
