import type { Command } from "commander";
import type { Context } from "../context.ts";
import { withRepository } from "../repository.ts";

/** `cat`: the bytes of a stream. */
export function addCat(parent: Command, { globals, output }: Context): void {
  parent
    .command("cat")
    .description("write the data of a stream, checked against its objects")
    .argument("<name>", "content identifier (oci-layer-sha256:…) or refs/NAME")
    .action((name: string) =>
      withRepository(globals(), async (repository) => {
        const stream = await repository.openStream(name);
        for await (const bytes of repository.readStream(stream)) await output.write(bytes);
      }),
    );
}
