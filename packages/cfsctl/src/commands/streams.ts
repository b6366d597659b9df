import type { Repository } from "@composefs/core";
import type { Command } from "commander";
import type { Context } from "../context.ts";
import { type JsonVersion, jsonOption } from "../options.ts";
import { refName } from "../ref-name.ts";
import { printable } from "../render/printable.ts";
import { formatTable } from "../render/table.ts";
import { withRepository } from "../repository.ts";

/** A splitstream and the refs that keep it. */
interface NamedStream {
  readonly name: string;
  readonly refs: string[];
}

/** `streams`: splitstreams and their refs. */
export function addStreams(parent: Command, context: Context): void {
  const streams = parent.command("streams").description("list splitstreams, or remove a name of one");
  addStreamsLs(streams, context);
  addStreamsRm(streams, context);
}

function addStreamsLs(parent: Command, { globals, output, stderr }: Context): void {
  parent
    .command("ls")
    .description("list the streams by content identifier, with the refs that keep them")
    .addOption(jsonOption("print them as JSON"))
    .action((options: { readonly json?: JsonVersion }) =>
      withRepository(globals(), async (repository) => {
        const { streams, broken } = listStreams(repository);
        for (const { name, entry } of broken) {
          stderr.write(`Ref ${printable(name)} leads nowhere: there is no stream ${printable(entry)}\n`);
        }
        if (options.json) await output.writeJson(options.json === "v2" ? streams : { streams });
        else if (streams.length === 0) await output.write("No streams found\n");
        else {
          const rows = streams.map(({ name, refs }) => [name, refs.join(", ")]);
          await output.write(formatTable(["STREAM", "REFS"], rows));
        }
      }),
    );
}

function addStreamsRm(parent: Command, { globals, output }: Context): void {
  parent
    .command("rm")
    .description("remove a ref of a stream; its data stays until garbage collection")
    .argument("<name>", "the ref, with or without refs/ before it")
    .action((name: string) =>
      withRepository(globals(), async (repository) => {
        repository.ensureWritable();
        repository.deleteRef("streams", refName(name));
        await output.write(`Removed stream name ${printable(refName(name))}\n`);
      }),
    );
}

function listStreams(repository: Repository): {
  readonly streams: readonly NamedStream[];
  readonly broken: readonly { readonly name: string; readonly entry: string }[];
} {
  const streams = new Map<string, NamedStream>(repository.listStreams().map((name) => [name, { name, refs: [] }]));
  const broken: { name: string; entry: string }[] = [];
  for (const ref of repository.listRefs("streams")) {
    const stream = streams.get(ref.entry);
    if (stream === undefined) broken.push(ref);
    else stream.refs.push(ref.name);
  }
  return { streams: [...streams.values()], broken };
}
