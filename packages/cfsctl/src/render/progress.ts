import type { Writable } from "node:stream";
import type { ProgressListener } from "@composefs/oci";
import { jsonText, printable } from "./printable.ts";
import { doneWords, type ProgressRenderer, planLine, shortId } from "./progress-words.ts";

/** How a pull shows its progress. */
export type ProgressMode = "auto" | "plain" | "json";

const SILENT: ProgressRenderer = { onProgress: undefined, stop: () => undefined };

/** The renderer for standard error: bars on a terminal, else a line per finished layer; events as JSON lines. */
export async function createProgress(stderr: Writable, mode: ProgressMode, quiet: boolean): Promise<ProgressRenderer> {
  if (quiet) return SILENT;
  if (mode === "json") {
    return { ...SILENT, onProgress: (event) => stderr.write(`${jsonText(event)}\n`) };
  }
  const terminal = "isTTY" in stderr && stderr.isTTY === true;
  if (mode === "plain" || !terminal) return { ...SILENT, onProgress: plainLines(stderr) };
  const { createBars } = await import("./progress-bars.ts");
  return createBars(stderr);
}

function plainLines(stderr: Writable): ProgressListener {
  let total = 0;
  let finished = 0;
  const line = (text: string): unknown => stderr.write(`${text}\n`);
  return (event) => {
    switch (event.type) {
      case "plan":
        total = event.components.length;
        line(planLine(event));
        break;
      case "skip":
        line(`layer ${++finished}/${total} ${shortId(event.id)}: present`);
        break;
      case "done":
        line(`layer ${++finished}/${total} ${shortId(event.id)}: ${doneWords(event)}`);
        break;
      case "note":
        line(printable(event.text));
        break;
    }
  };
}
