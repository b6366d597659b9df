import type { ImportStats, ProgressEvent } from "@composefs/oci";
import { afterEach, expect, test } from "vitest";
import { createProgress } from "../../src/render/progress.ts";
import type { ProgressRenderer } from "../../src/render/progress-words.ts";
import { failingStream, fakeTerminal, Sink } from "../fake-io.ts";

const STATS: ImportStats = {
  layers: 0,
  layersAlreadyPresent: 0,
  objectsReflinked: 12,
  objectsHardlinked: 0,
  objectsCopied: 0,
  objectsAlreadyPresent: 3,
  bytesReflinked: 0,
  bytesHardlinked: 0,
  bytesCopied: 0,
  bytesInlined: 0,
};
const [A, B, C] = ["a", "b", "c"].map((digit) => `sha256:${digit.repeat(64)}`) as [string, string, string];
const EVENTS: readonly ProgressEvent[] = [
  { type: "stage", stage: "resolve" },
  { type: "note", text: "careful\u001b[2J" },
  {
    type: "plan",
    components: [
      { id: A, bytes: 3 * 2 ** 20, present: false },
      { id: B, bytes: 1024, present: true },
      { id: C, bytes: null, present: false },
    ],
  },
  { type: "skip", id: B, bytes: 1024 },
  { type: "stage", stage: "layers" },
  { type: "start", id: A, bytes: 3 * 2 ** 20 },
  { type: "start", id: C, bytes: null },
  { type: "progress", id: A, done: 2 ** 20, total: 3 * 2 ** 20, unit: "bytes" },
  { type: "progress", id: C, done: 5, total: null, unit: "bytes" },
  { type: "progress", id: A, done: 9 * 2 ** 20, total: 3 * 2 ** 20, unit: "bytes" },
  { type: "done", id: A, bytes: 3 * 2 ** 20, stats: STATS },
  { type: "done", id: C, bytes: 0, stats: { ...STATS, objectsReflinked: 0, objectsAlreadyPresent: 0 } },
  { type: "stage", stage: "commit" },
];
const LINES = [
  "careful\\x1b[2J",
  "3 layers, 3.00 MiB, 1 present",
  "layer 1/3 bbbbbbbbbbbb: present",
  "layer 2/3 aaaaaaaaaaaa: 3.00 MiB, 12 reflinked, 3 already present",
  "layer 3/3 cccccccccccc: 0 B, no objects",
  "",
].join("\n");

const made: ProgressRenderer[] = [];
afterEach(() => {
  for (const renderer of made.splice(0)) renderer.stop();
});

async function render(stderr: Sink, mode: "auto" | "plain" | "json", quiet = false): Promise<ProgressRenderer> {
  const renderer = await createProgress(stderr, mode, quiet);
  made.push(renderer);
  return renderer;
}

function show({ onProgress }: ProgressRenderer, events: readonly ProgressEvent[] = EVENTS): void {
  for (const event of events) onProgress?.(event);
}

test.each<["auto" | "plain", Sink]>([
  ["auto", new Sink()],
  ["plain", new Sink()],
  ["plain", fakeTerminal()],
])("%s: a line for each finished layer", async (mode, stderr) => {
  show(await render(stderr, mode));
  expect(stderr.text).toBe(LINES);
});

test("json: an event a line", async () => {
  const stderr = new Sink();
  show(await render(stderr, "json"));
  const events = stderr.text.trimEnd().split("\n");
  expect(events.map((line) => JSON.parse(line) as unknown)).toEqual(EVENTS);
  expect(stderr.text).not.toContain("\u001b");
});

test.each(["auto", "plain", "json"] as const)("quiet wins over %s", async (mode) => {
  const stderr = fakeTerminal();
  const renderer = await render(stderr, mode, true);
  expect(renderer.onProgress).toBeUndefined();
  expect(stderr.text).toBe("");
});

test("bars: every layer is told of, and the terminal given back", async () => {
  const stderr = fakeTerminal();
  const listeners = process.listenerCount("SIGINT");
  const renderer = await render(stderr, "auto");
  expect(process.listenerCount("SIGINT")).toBe(listeners + 1);
  show(renderer);
  renderer.stop();
  for (const words of [
    "careful\\x1b[2J\n",
    "3 layers, 3.00 MiB, 1 present\n",
    "bbbbbbbbbbbb present\n",
    "aaaaaaaaaaaa 3.00 MiB, 12 reflinked, 3 already present\n",
    "cccccccccccc 0 B, no objects\n",
  ]) {
    expect(stderr.text).toContain(words);
  }
  // The cursor is hidden, then shown; lines wrap again.
  expect(stderr.text.lastIndexOf("\u001b[?25h")).toBeGreaterThan(stderr.text.lastIndexOf("\u001b[?25l"));
  expect(stderr.text.lastIndexOf("\u001b[?7h")).toBeGreaterThan(stderr.text.lastIndexOf("\u001b[?7l"));
  expect(process.listenerCount("SIGINT")).toBe(listeners);
  const { length } = stderr.text;
  renderer.stop();
  expect(stderr.text.length).toBe(length);
});

test("bars: when all is there, the lines stand without any bar", async () => {
  const stderr = fakeTerminal();
  const renderer = await render(stderr, "auto");
  show(renderer, [
    { type: "plan", components: [{ id: B, bytes: 1024, present: true }] },
    { type: "skip", id: B, bytes: 1024 },
  ]);
  renderer.stop();
  expect(stderr.text).toBe("1 layers, 1.00 KiB, 1 present\nbbbbbbbbbbbb present\n");
});

test("bars: what is said last is not lost", async () => {
  const stderr = fakeTerminal();
  const renderer = await render(stderr, "auto");
  show(renderer, [
    { type: "start", id: A, bytes: 10 },
    { type: "note", text: "last words" },
  ]);
  renderer.stop();
  expect(stderr.text).toContain("last words\n");
});

test("bars: events of layers never begun do no harm", async () => {
  const renderer = await render(fakeTerminal(), "auto");
  show(renderer, [
    { type: "progress", id: A, done: 1, total: 2, unit: "bytes" },
    { type: "done", id: A, bytes: 1, stats: STATS },
  ]);
});

test("a standard error nobody reads does no harm", async () => {
  const stderr = failingStream("EPIPE");
  stderr.on("error", () => undefined);
  const { onProgress } = await createProgress(stderr, "json", false);
  for (const event of EVENTS) onProgress?.(event);
  await new Promise(setImmediate);
});

test("bars: a signal that others answer gives the terminal back and no more", async () => {
  const listeners = process.listenerCount("SIGTERM");
  const seen: string[] = [];
  const other = (name: string): void => void seen.push(name);
  process.on("SIGTERM", other);
  show(await render(fakeTerminal(), "auto"));
  process.emit("SIGTERM", "SIGTERM");
  process.off("SIGTERM", other);
  expect(seen).toEqual(["SIGTERM"]);
  expect(process.listenerCount("SIGTERM")).toBe(listeners);
});
