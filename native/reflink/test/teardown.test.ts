import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { temporaryDirectory } from "./support.ts";

const ADDON = fileURLToPath(new URL("../build/Release/reflink.node", import.meta.url));

/** Keeps the native threads busy with buffers of this environment. */
const BUSY = `
  const [directory, addon] = process.argv.slice(-2);
  const { createDigester, createStore, createWriter, storeBuffers, updateDigester, writeWriter } = require(addon);
  const store = createStore(require("node:fs").openSync(directory), 1, false, false, true);
  const busy = async () => {
    for (let n = 0; ; n++) {
      const contents = Array.from({ length: 50 }, (_, i) => Buffer.alloc(20000, n + " " + i));
      const places = Float64Array.from(contents.flatMap((_, i) => [i, 0, 20000]));
      await Promise.all([
        storeBuffers(store, contents, places),
        writeWriter(createWriter(store), [Buffer.alloc(3e6)]),
        updateDigester(createDigester("sha256"), Buffer.alloc(3e6)),
      ]);
    }
  };`;

// A crash would be a signal, hence no status.
test.each([
  ["process.exit()", `${BUSY} busy(); setTimeout(() => process.exit(7), 30);`],
  [
    "terminated workers",
    `const { Worker } = require("node:worker_threads");
    const code = ${JSON.stringify(`${BUSY} busy();`)};
    (async () => {
      for (let i = 0; i < 12; i++) {
        const worker = new Worker(code, { eval: true, argv: process.argv.slice(-2) });
        await new Promise((resolve) => setTimeout(resolve, 60 + i * 5));
        await worker.terminate();
      }
      process.exit(7);
    })();`,
  ],
])("batches that run meanwhile: %s", (_, script) => {
  const result = spawnSync(process.execPath, ["-e", script, temporaryDirectory(), ADDON], { encoding: "utf8" });
  expect([result.status, result.signal, result.stderr]).toEqual([7, null, ""]);
});

test("the addon stays loaded after the only worker that uses it: its threads go on", () => {
  const code = `const { createDigester, updateDigester } = require(process.argv.at(-1));
    updateDigester(createDigester("sha256"), Buffer.alloc(1000));`;
  const script = `new (require("node:worker_threads").Worker)(${JSON.stringify(code)}, { eval: true, argv: process.argv.slice(-1) })
    .on("exit", (status) => console.log(status, require("node:fs").readFileSync("/proc/self/maps", "latin1").includes("reflink.node")));`;
  const result = spawnSync(process.execPath, ["-e", script, ADDON], { encoding: "utf8" });
  expect([result.status, result.stdout, result.stderr]).toEqual([0, "0 true\n", ""]);
});
