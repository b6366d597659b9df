import fc from "fast-check";
import { expect, test } from "vitest";
import { type Binding, binding } from "../src/binding.ts";
import { open, temporaryDirectory } from "./support.ts";

type Call = (...args: unknown[]) => unknown;
const functions = binding as unknown as Record<keyof Binding, Call>;
const call = (name: string, args: unknown[]): unknown => (functions[name as keyof Binding] as Call)(...args);

/** Arguments that each function accepts; descriptors name nothing. */
function goodArguments(): Record<string, unknown[]> {
  const none = 1_000_000;
  const bytes = new Uint8Array(0);
  const store = binding.createStore(open(temporaryDirectory()), 1, false, false, true);
  const writer = binding.createWriter(store);
  const digester = binding.createDigester("sha256");
  const columns = [bytes, new Uint32Array(0), new Float64Array(0)];
  const name = Buffer.from("name");
  return {
    openat2: [none, bytes, 0, 0, 0],
    setOpenat2Available: [true],
    setTmpfileAvailable: [true],
    ofdLock: [none, 0],
    flock: [none, 1],
    openTmpfile: [none, 0o600],
    linkFd: [none, none, bytes],
    syncfs: [none],
    statfsType: [none],
    crc64: [bytes],
    enableVerity: [none, 1],
    measureVerity: [none, 1],
    verityDigest: [bytes, 1],
    verityDigestFds: [new Int32Array(0), 1],
    digestFiles: [none, bytes, new Uint32Array(0), 1, false],
    useHashImplementation: ["none"],
    createStore: [none, 1, false, false, true],
    storeFiles: [store, new Int32Array(0), ...columns, bytes, bytes, new Int32Array(1)],
    storeBuffers: [store, [], new Float64Array(0)],
    createInflater: [],
    inflateChunk: [binding.createInflater(), bytes, bytes],
    createDigester: ["sha256"],
    updateDigester: [digester, bytes],
    finishDigester: [digester],
    beginWriteback: [store],
    probeStore: [store, none, false],
    readFiles: [new Int32Array(0), ...columns, 0],
    openFiles: [new Int32Array(0), ...columns],
    storeOpenFiles: [store, new Int32Array(0), new Float64Array(0), bytes, bytes, new Int32Array(1)],
    objectSizes: [none, new Uint8Array(0), 1],
    listObjects: [none, 1],
    missingDigests: [bytes, bytes, 1],
    differingObjects: [none, new Uint8Array(0), 1, false],
    socketPair: [true],
    sendFds: [none, new Uint8Array(1), new Int32Array(1)],
    receiveFds: [none, 1],
    createWriter: [store],
    writeWriter: [writer, []],
    finishWriter: [writer],
    abortWriter: [writer],
    scanDirectory: [none, 1, 64, store, new Int32Array(1)],
    fsopen: [name],
    fsconfigFlag: [none, name],
    fsconfigString: [none, name, name],
    fsconfigFd: [none, name, none],
    fsconfigCreate: [none],
    fsReadLog: [none],
    fsmount: [none, 0],
    moveMount: [none, none],
    mountSetattr: [none, 0, none],
    unmount: [name, 0],
    openLoop: [none],
    setThreads: [2],
  };
}

test("every function of the addon is in the table", () => {
  const listed = [...Object.keys(goodArguments()), "hashImplementations"].sort();
  expect(Object.keys(binding).sort()).toEqual(listed);
});

test("arguments of a wrong type throw", () => {
  const wrong = [undefined, null, "text", {}, [1], 1.5, Number.NaN, 2 ** 53, Symbol("s"), new Uint16Array(3), 5n];
  // A name that nothing has, and a scan that stores nothing.
  const unharmful = new Set(["useHashImplementation 0 text", "scanDirectory 3 null"]);
  const good = goodArguments();
  for (const [name, args] of Object.entries(good)) {
    for (let position = 0; position < args.length; position++) {
      for (const value of wrong) {
        if (Array.isArray(args[position]) && Array.isArray(value)) continue;
        if (unharmful.has(`${name} ${position} ${String(value)}`)) continue;
        const changed = args.with(position, value);
        const label = `${name}(${position}: ${String(value)})`;
        let thrown: unknown = `nothing by ${label}`;
        try {
          call(name, changed);
        } catch (error) {
          thrown = error;
        }
        expect(thrown, label).toBeInstanceOf(Error);
      }
    }
  }
});

test("any arguments at all do not crash it", async () => {
  const { storeFiles, storeOpenFiles, storeBuffers, writeWriter, readFiles, digestFiles, scanDirectory } =
    goodArguments();
  const anything = fc.oneof(
    fc.constantFrom<unknown>(
      ...(storeFiles ?? []),
      ...(storeOpenFiles ?? []),
      ...(storeBuffers ?? []),
      ...(writeWriter ?? []),
      ...(readFiles ?? []),
      ...(digestFiles ?? []),
      ...(scanDirectory ?? []),
    ),
    fc.constantFrom<unknown>(
      new Uint8Array(5),
      new Uint32Array([3, 2]),
      new Float64Array([1]),
      new DataView(new ArrayBuffer(9)),
    ),
    fc.anything({ withTypedArray: true, withBigInt: true }),
  );
  const names = [
    "storeFiles",
    "storeBuffers",
    "writeWriter",
    "readFiles",
    "openFiles",
    "storeOpenFiles",
    "objectSizes",
    "verityDigestFds",
    "crc64",
    "verityDigest",
    "digestFiles",
    "scanDirectory",
  ];
  await fc.assert(
    fc.asyncProperty(fc.constantFrom(...names), fc.array(anything, { maxLength: 9 }), async (name, args) => {
      try {
        await call(name, args);
      } catch (error) {
        expect(error).toBeInstanceOf(Error);
      }
    }),
    { numRuns: 1500 },
  );
});

test("columns that disagree are refused", () => {
  const store = binding.createStore(1_000_000, 1, false, false, true);
  const columns = (
    paths: number,
    ends: number[],
    sizes: number,
    crcs: number,
    flags: number,
    cancel = 1,
  ): (() => void) => {
    const args = [new Uint8Array(paths), new Uint32Array(ends), new Float64Array(sizes)];
    const rest = [new Uint8Array(crcs), new Uint8Array(flags), new Int32Array(cancel)];
    return () => call("storeFiles", [store, new Int32Array(0), ...args, ...rest]);
  };
  expect(columns(1, [2], 1, 8, 1)).toThrow(TypeError);
  expect(columns(3, [2, 1], 2, 16, 2)).toThrow(TypeError);
  expect(columns(1, [1], 2, 8, 1)).toThrow(TypeError);
  expect(columns(1, [1], 1, 7, 1)).toThrow(TypeError);
  expect(columns(1, [1], 1, 8, 0)).toThrow(TypeError);
  const open = (fds: number, sizes: number, crcs: number, flags: number, cancel: number): (() => unknown) => {
    const args = [new Int32Array(fds), new Float64Array(sizes), new Uint8Array(crcs), new Uint8Array(flags)];
    return () => call("storeOpenFiles", [store, ...args, new Int32Array(cancel)]);
  };
  expect(open(2, 1, 8, 1, 1)).toThrow(TypeError);
  expect(open(1, 1, 7, 1, 1)).toThrow(TypeError);
  expect(open(1, 1, 8, 2, 1)).toThrow(TypeError);
  expect(open(1, 1, 8, 1, 0)).toThrow(TypeError);
  expect(columns(0, [], 0, 0, 0, 0)).toThrow(TypeError);
  expect(() => call("scanDirectory", [1_000_000, 1, 64, null, new Int32Array(0)])).toThrow(TypeError);
  expect(() => call("digestFiles", [1_000_000, new Uint8Array(3), new Uint32Array([2, 1]), 1, false])).toThrow(
    TypeError,
  );
});

test.each([
  ["another memory", [1, 0, 1]],
  ["a negative memory", [-1, 0, 1]],
  ["before the start", [0, -1, 1]],
  ["past the end", [0, 4, 2]],
  ["a negative length", [0, 4, -2]],
  ["no number", [0, Number.NaN, 1]],
  ["beyond all memory", [0, 2 ** 63, 2 ** 63]],
  ["a good one and a bad one", [0, 0, 5, 0, 0, 6]],
])("no content is read outside of its memory: %s", (_, places) => {
  const store = binding.createStore(open(temporaryDirectory()), 1, false, false, true);
  expect(() => call("storeBuffers", [store, [new Uint8Array(5)], Float64Array.from(places)])).toThrow(RangeError);
});

test("one kind of handle is not taken for another", () => {
  const store = binding.createStore(open(temporaryDirectory()), 1, false, false, true);
  const writer = binding.createWriter(store);
  expect(() => call("storeBuffers", [writer, [], new Float64Array(0)])).toThrow(TypeError);
  expect(() => call("inflateChunk", [binding.createDigester("sha256"), Buffer.alloc(1), Buffer.alloc(1)])).toThrow(
    TypeError,
  );
  expect(() => call("finishDigester", [binding.createInflater()])).toThrow(TypeError);
  expect(() => call("abortWriter", [store])).toThrow(TypeError);
  expect(() => call("scanDirectory", [1_000_000, 1, 64, writer, new Int32Array(1)])).toThrow(TypeError);
  binding.abortWriter(writer as Parameters<Binding["abortWriter"]>[0]);
});
