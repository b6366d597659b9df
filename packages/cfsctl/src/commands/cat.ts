import type { Command } from "commander";
import { resolveAnyStream } from "../any-name.ts";
import type { Context } from "../context.ts";
import { withRepository } from "../repository.ts";

/** `cat`: the bytes of a stream. */
export function addCat(parent: Command, { globals, output }: Context): void {
  parent
    .command("cat")
    .description("write the data of a stream, checked against its objects")
    .argument(
      "<name>",
      "content identifier (oci-layer-sha256:…), refs/NAME, or id of a stream; tag or digest of an image: its manifest",
    )
    .action((name: string) =>
      withRepository(globals(), async (repository) => {
        const stream = await repository.openStream(await resolveAnyStream(repository, name));
        for await (const bytes of repository.readStream(stream)) await output.write(bytes);
      }),
    );
}
