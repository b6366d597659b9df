import { expect, test } from "vitest";
import { parseStorageConf } from "../src/storage-conf.ts";
import { thrownBy } from "./code-of.ts";

const NOTHING = {
  driver: null,
  graphRoot: null,
  runRoot: null,
  imageStore: null,
  rootlessStoragePath: null,
  additionalImageStores: [],
};

test.each<[name: string, text: string, expected: object]>([
  ["an empty file", "", NOTHING],
  ["a file without the table", "[other]\ndriver = 'x'", NOTHING],
  [
    "every key",
    `[storage]
driver = "overlay"
graphroot = "/g"
runroot = "/r"
imagestore = "/i"
rootless_storage_path = "$HOME/s"
transient_store = true
[storage.options]
additionalimagestores = ["/a", "/b"]
additionallayerstores = ["/l:ref"]
size = ""
[storage.options.overlay]
mountopt = "nodev"`,
    {
      driver: "overlay",
      graphRoot: "/g",
      runRoot: "/r",
      imageStore: "/i",
      rootlessStoragePath: "$HOME/s",
      additionalImageStores: ["/a", "/b"],
    },
  ],
  ["empty strings as absent", "[storage]\ngraphroot = ''\nimagestore = \"\"", NOTHING],
  ["keys unknown here", "[storage]\nnew_key = 2026-01-01\n[storage.options.new]\nx = [1]", NOTHING],
])("reads %s", (_, text, expected) => {
  expect(parseStorageConf(text, "f")).toEqual(expected);
});

test.each<[name: string, text: string, details: object]>([
  ["no TOML", "[storage]\ndriver = overlay", { file: "f", line: 2 }],
  ["a driver of the wrong type", "[storage]\ndriver = 1", { file: "f", position: "storage.driver" }],
  ["a table that is none", "storage = 'x'", { file: "f", position: "storage" }],
  ["stores that are no list", "[storage.options]\nadditionalimagestores = '/a'", { file: "f" }],
  [
    "a store that is no path",
    "[storage.options]\nadditionalimagestores = ['/a', 1]",
    { file: "f", position: "storage.options.additionalimagestores.1" },
  ],
])("refuses %s", (_, text, details) => {
  expect(thrownBy(() => parseStorageConf(text, "f"))).toMatchObject({ code: "STORE_CORRUPT", details });
});
