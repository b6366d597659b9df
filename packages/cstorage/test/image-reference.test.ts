import { expect, test } from "vitest";
import { parseImageReference, type StoreSpecifier } from "../src/image-reference.ts";
import { codeOf } from "./code-of.ts";

const store = (graphRoot: string, more: Partial<StoreSpecifier> = {}): StoreSpecifier => ({
  driver: null,
  graphRoot,
  runRoot: null,
  options: [],
  ...more,
});

test.each<[input: string, store: StoreSpecifier | null, text: string]>([
  ["app", null, "app"],
  ["localhost/app:1@sha256:00", null, "localhost/app:1@sha256:00"],
  ["[/g]app", store("/g"), "app"],
  ["[overlay@/g]app", store("/g", { driver: "overlay" }), "app"],
  ["[/g+/r]app", store("/g", { runRoot: "/r" }), "app"],
  ["[overlay@/g+/r]@abc", store("/g", { driver: "overlay", runRoot: "/r" }), "@abc"],
  ["[/g:a=1,b=/x]app", store("/g", { options: ["a=1", "b=/x"] }), "app"],
  [
    "[overlay@/g+/r:overlay.imagestore=/i]host:5000/app:1",
    store("/g", { driver: "overlay", runRoot: "/r", options: ["overlay.imagestore=/i"] }),
    "host:5000/app:1",
  ],
  ["[/g:]app", store("/g"), "app"],
  ["[/home/u@host/g]app", store("/home/u@host/g"), "app"],
])("%s", (input, specifier, text) => {
  expect(parseImageReference(input)).toEqual({ store: specifier, text });
});

test.each([
  "",
  "app@",
  "[/g]",
  "[/g]app@",
  "[",
  "[/g app",
  "[]app",
  "[@/g]app",
  "[g]app",
  "[overlay@]app",
  "[/g+r]app",
])("refuses %j", (input) => {
  expect(codeOf(() => parseImageReference(input))).toBe("REF_INVALID");
});
