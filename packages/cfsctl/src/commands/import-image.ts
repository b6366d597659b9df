import type { Command } from "commander";
import type { Context } from "../context.ts";
import { refName } from "../ref-name.ts";
import { withRepository } from "../repository.ts";

/** More than an image can have; what is longer is refused without being read to its end. */
const ENOUGH_BYTES = 2 ** 30;

/** `import-image`: an image made elsewhere. */
export function addImportImage(parent: Command, { globals, output, stdin }: Context): void {
  parent
    .command("import-image")
    .description("import an EROFS image from standard input, after checking that it is one")
    .argument("<name>", "ref to give to the image, beneath images/refs/")
    .action((name: string) =>
      withRepository(globals(), async (repository) => {
        const { parseImage } = await import("@composefs/core");
        repository.ensureWritable();
        repository.readRef("images", refName(name)); // refuses a name that cannot be given before the work begins
        const chunks: Uint8Array[] = [];
        let length = 0;
        for await (const chunk of stdin) {
          chunks.push(chunk as Uint8Array);
          length += (chunk as Uint8Array).length;
          if (length > ENOUGH_BYTES) break;
        }
        const bytes = Buffer.concat(chunks);
        // The tree as well as its objects: whatever has a name can be dumped, collected and checked (cli.md D7).
        parseImage(bytes, { hash: repository.hash });
        const id = await repository.storeImage(bytes, { name: refName(name) });
        await output.write(`${repository.hash}:${id}\n`);
      }),
    );
}
