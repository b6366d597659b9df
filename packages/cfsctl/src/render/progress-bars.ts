import type { Writable } from "node:stream";
import cliProgress from "cli-progress";
import { printable } from "./printable.ts";
import { doneWords, type ProgressRenderer, planLine, shortId } from "./progress-words.ts";
import { formatSize } from "./size.ts";

const ENDING_SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/**
 * Bars for a terminal: one per layer under way, which a line replaces when the layer is done, so that an image of many
 * layers does not outgrow the screen.
 */
export function createBars(stderr: Writable): ProgressRenderer {
  const bars = new cliProgress.MultiBar(
    {
      format: "{layer} [{bar}] {amount}  {rate}",
      barCompleteChar: "#",
      barIncompleteChar: "-",
      hideCursor: true,
      clearOnComplete: true,
      stream: stderr as NodeJS.WritableStream,
    },
    cliProgress.Presets.legacy,
  );
  const layers = new Map<string, { bar: cliProgress.SingleBar; started: number }>();
  let drawing = false;
  // The library writes what it is given to log only while it draws.
  const line = (text: string): void => {
    if (drawing) bars.log(`${text}\n`);
    else stderr.write(`${text}\n`);
  };
  const stop = (): void => {
    for (const signal of ENDING_SIGNALS) process.removeListener(signal, onSignal);
    if (!drawing) return;
    drawing = false;
    bars.update();
    bars.stop();
  };
  // A signal ends the process as ever, or is for others to answer, but not before the cursor is back.
  const onSignal = (signal: NodeJS.Signals): void => {
    stop();
    if (process.listenerCount(signal) === 0) process.kill(process.pid, signal);
  };
  for (const signal of ENDING_SIGNALS) process.once(signal, onSignal);
  return {
    onProgress: (event) => {
      switch (event.type) {
        case "plan":
          line(planLine(event));
          break;
        case "start": {
          const payload = { layer: shortId(event.id), amount: amount(0, event.bytes), rate: "" };
          layers.set(event.id, {
            bar: bars.create(Math.max(event.bytes ?? 1, 1), 0, payload),
            started: performance.now(),
          });
          drawing = true;
          break;
        }
        case "progress": {
          const layer = layers.get(event.id);
          const seconds = (performance.now() - (layer?.started ?? 0)) / 1000;
          const rate = seconds > 0 ? `${formatSize(Math.round(event.done / seconds))}/s` : "";
          layer?.bar.update(event.done, { amount: amount(event.done, event.total), rate });
          break;
        }
        case "done": {
          line(`${shortId(event.id)} ${doneWords(event)}`);
          const layer = layers.get(event.id);
          if (layer !== undefined) bars.remove(layer.bar);
          layers.delete(event.id);
          break;
        }
        case "skip":
          line(`${shortId(event.id)} present`);
          break;
        case "note":
          line(printable(event.text));
          break;
      }
    },
    stop,
  };
}

function amount(done: number, total: number | null): string {
  return total === null ? formatSize(done) : `${formatSize(done)} / ${formatSize(total)}`;
}
