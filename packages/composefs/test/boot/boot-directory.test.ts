import { existsSync, mkdirSync, readdirSync, readFileSync, realpathSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeEach, describe, expect, test } from "vitest";
import { BootDirectory } from "../../src/boot/boot-directory.ts";
import { byteString } from "../../src/tree/node.ts";
import { codeOf, openDescriptors, temporaryDirectory } from "../support.ts";

let top: string;
let boot: string;
beforeEach(() => {
  top = temporaryDirectory();
  boot = join(top, "mnt/boot");
});

const write = (path: string, content = "x"): void =>
  new BootDirectory(boot).write(byteString(Buffer.from(path)), Buffer.from(content));
const all = (): string[] => (readdirSync(top, { recursive: true }) as string[]).sort();

test("files are written whole, directories made, nothing else is left", () => {
  write("/a//./b/c", "1");
  write("d", "2".repeat(300_000));
  write("d", "3");
  expect(all()).toEqual(["mnt", "mnt/boot", "mnt/boot/a", "mnt/boot/a/b", "mnt/boot/a/b/c", "mnt/boot/d"]);
  expect(readFileSync(join(boot, "a/b/c"), "utf8")).toBe("1");
  expect(readFileSync(join(boot, "d"), "utf8")).toBe("3");
});

test("names are bytes", () => {
  new BootDirectory(boot).write(byteString(Buffer.from([0x61, 0xff])), Buffer.from("x"));
  expect(readdirSync(boot, { encoding: "buffer" })).toEqual([Buffer.from([0x61, 0xff])]);
});

test.each(["../x", "a/../../x", "a/..", "..", "", "/", ".", "a\0b"])("%j is refused", async (path) => {
  expect(await codeOf(() => write(path))).toBe("PATH_INVALID");
  expect(all().filter((name) => !name.startsWith("mnt"))).toEqual([]);
});

describe("a symlink", () => {
  test.each([
    ["to elsewhere", "../../out"],
    ["to elsewhere by its full path", null],
    ["to a directory whose name only begins like the boot directory's", "../boot-of-another"],
  ])("%s is not followed out of the directory", async (_, target) => {
    mkdirSync(boot, { recursive: true });
    mkdirSync(join(top, "out"));
    mkdirSync(join(top, "mnt/boot-of-another"));
    symlinkSync(target ?? join(top, "out"), join(boot, "loader"));
    expect(await codeOf(() => write("loader/entries/a.conf"))).toBe("PATH_INVALID");
    expect(readdirSync(join(top, "out"))).toEqual([]);
    expect(readdirSync(join(top, "mnt/boot-of-another"))).toEqual([]);
  });

  test("within the directory is followed, such as /boot/boot", () => {
    mkdirSync(boot, { recursive: true });
    symlinkSync(".", join(boot, "boot"));
    write("boot/x/vmlinuz");
    expect(existsSync(join(boot, "x/vmlinuz"))).toBe(true);
  });

  test("in the file's own place is replaced", () => {
    mkdirSync(boot, { recursive: true });
    writeFileSync(join(top, "precious"), "1");
    symlinkSync("../../precious", join(boot, "a"));
    write("a", "2");
    expect(readFileSync(join(top, "precious"), "utf8")).toBe("1");
    expect(realpathSync(join(boot, "a"))).toBe(realpathSync(boot).concat("/a"));
  });
});

test("what fails leaves nothing behind, no file and no descriptor", async () => {
  mkdirSync(join(boot, "a/b"), { recursive: true });
  const before = openDescriptors();
  expect(await codeOf(() => write("a"))).toBe("EISDIR");
  writeFileSync(join(boot, "file"), "1");
  expect(await codeOf(() => write("file/x"))).toBe("ENOTDIR");
  expect(readdirSync(boot).sort()).toEqual(["a", "file"]);
  expect(openDescriptors()).toBe(before);
});
