import type { Writable } from "node:stream";
import cliProgress from "cli-progress";
import { printable } from "./printable.ts";
import { methods, type ProgressRenderer, planLine, shortId } from "./progress-words.ts";
import { formatSize } from "./size.ts";

/** Bars for a terminal: one per layer, and what became of it when it is done. */
export function createBars(stderr: Writable): ProgressRenderer {
  const bars = new cliProgress.MultiBar(
    {
      format: "{layer} [{bar}] {amount}  {state}",
      barCompleteChar: "#",
      barIncompleteChar: "-",
      hideCursor: true,
      clearOnComplete: false,
      stream: stderr as NodeJS.WritableStream,
    },
    cliProgress.Presets.legacy,
  );
  const layers = new Map<string, { bar: cliProgress.SingleBar; started: number }>();
  const amount = (done: number, total: number | null): string =>
    total === null ? formatSize(done) : `${formatSize(done)} / ${formatSize(total)}`;
  return {
    onProgress: (event) => {
      switch (event.type) {
        case "plan":
          bars.log(`${planLine(event)}\n`);
          break;
        case "start": {
          const bar = bars.create(Math.max(event.bytes ?? 1, 1), 0, {
            layer: shortId(event.id),
            amount: amount(0, event.bytes),
            state: "",
          });
          layers.set(event.id, { bar, started: performance.now() });
          break;
        }
        case "progress": {
          const layer = layers.get(event.id);
          const seconds = (performance.now() - (layer?.started ?? 0)) / 1000;
          const state = seconds > 0 ? `${formatSize(Math.round(event.done / seconds))}/s` : "";
          layer?.bar.update(event.done, { amount: amount(event.done, event.total), state });
          break;
        }
        case "done": {
          const bar = layers.get(event.id)?.bar;
          bar?.setTotal(Math.max(event.bytes, 1));
          bar?.update(event.bytes, { amount: formatSize(event.bytes), state: methods(event.stats) });
          break;
        }
        case "skip":
          bars.log(`${shortId(event.id)} present\n`);
          break;
        case "note":
          bars.log(`${printable(event.text)}\n`);
          break;
      }
    },
    stop: () => bars.stop(),
  };
}
