import { expect, test } from "vitest";
import { blsFiles, renameBlsFiles, setBlsArgument } from "../../src/boot/bls.ts";

test.each([
  ["", []],
  ["title T\nlinux /a\ninitrd\t/b\ninitrd /c \nefi  /d", ["/a", "/b", "/c ", "/d"]],
  ["# linux /a\n linux /b\nlinuxefi /c\nLINUX /d\nlinux\ndevicetree /e\n", []],
])("files of %j", (text, files) => expect(blsFiles(text)).toEqual(files));

test("files get other paths", () => {
  const renamed = renameBlsFiles("title T\nlinux /x/a\ninitrd\t /x/b", (path) => path.replace("x", "y"));
  expect(renamed).toBe("title T\nlinux /y/a\ninitrd /y/b\n");
});

test.each([
  ["", "options k=1\n"],
  ["title T", "title T\noptions k=1\n"],
  ["options a\noptions k=2\n", "options a k=1\noptions k=2\n"],
  ["options k=2 b\ntitle T", "options k=1 b\ntitle T\n"],
  ["options \n", "options  k=1\n"],
  ["options\n options x\n", "options\n options x\noptions k=1\n"],
])("an argument set in %j gives %j", (text, expected) => expect(setBlsArgument(text, "k=1")).toBe(expected));
