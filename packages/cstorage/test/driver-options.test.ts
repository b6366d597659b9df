import { expect, test } from "vitest";
import { imageStoresOfOptions } from "../src/driver-options.ts";

test.each<[options: string, stores: string[]]>([
  ["", []],
  ["imagestore=/a", ["/a"]],
  ["additionalimagestore=/a", ["/a"]],
  ["overlay.imagestore=/a", ["/a"]],
  ["overlay2.additionalimagestore=/a", ["/a"]],
  [".imagestore=/a", ["/a"]],
  ["Overlay.ImageStore=/A", ["/A"]],
  ["imagestore=/a,/b", ["/a", "/b"]],
  ["imagestore=/a,/b,overlay.imagestore=/c", ["/a", "/b", "/c"]],
  ["imagestore = /a , /b", ["/a", "/b"]],
  ["imagestore=", []],
  ["overlayimagestore=/a", []],
  ["vfs.imagestore=/a", []],
  ["overlay.mountopt=nodev,/b", []],
  ["imagestore=/a,overlay.mountopt=nodev,/b", ["/a"]],
  ["imagestore=/a,nodev", ["/a"]],
  ["/a", []],
])("%s", (options, stores) => {
  expect(imageStoresOfOptions(options.split(","))).toEqual(stores);
});

test("takes a list that was not cut at its commas", () => {
  expect(imageStoresOfOptions(["overlay.imagestore=/a,/b"])).toEqual(["/a", "/b"]);
});
