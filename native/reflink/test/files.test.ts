import { execFileSync } from "node:child_process";
import { constants, fstatSync, mkdirSync, readFileSync, symlinkSync, writeFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { binding } from "../src/binding.ts";
import { fileSystemType, linkFd, O_PATH, openat2, openTmpfile, RESOLVE, syncfs } from "../src/index.ts";
import { closeAtEnd, open, openDescriptors, temporaryDirectory } from "./support.ts";

const BENEATH = RESOLVE.BENEATH | RESOLVE.NO_MAGICLINKS | RESOLVE.NO_XDEV;

let root: string;
let dirFd: number;

beforeEach(() => {
  root = temporaryDirectory();
  mkdirSync(join(root, "in/sub"), { recursive: true });
  writeFileSync(join(root, "secret"), "outside");
  writeFileSync(join(root, "in/file"), "inside");
  writeFileSync(join(root, "in/sub/deep"), "deep");
  writeFileSync(Buffer.concat([Buffer.from(join(root, "in/")), Buffer.from([0xff, 0x20, 0x0a])]), "bytes");
  symlinkSync("file", join(root, "in/to-file"));
  symlinkSync("sub", join(root, "in/to-sub"));
  symlinkSync("../secret", join(root, "in/out"));
  symlinkSync(root, join(root, "in/absolute"));
  symlinkSync("..", join(root, "in/up"));
  symlinkSync("loop", join(root, "in/loop"));
  execFileSync("mkfifo", [join(root, "in/fifo")]);
  dirFd = open(join(root, "in"));
});

function read(path: string | Uint8Array, resolve: number, flags = 0): string {
  return readFileSync(closeAtEnd(openat2(dirFd, path, { flags: flags | constants.O_NONBLOCK, resolve })), "utf8");
}
const failure = (code: string): unknown => expect.objectContaining({ name: "KernelError", code, syscall: "openat2" });

describe.each([
  ["openat2(2)", true],
  ["the walk", false],
])("%s", (_, available) => {
  beforeEach(() => binding.setOpenat2Available(available));
  afterEach(() => binding.setOpenat2Available(true));

  test.each([
    ["file", "inside"],
    ["sub/deep", "deep"],
    ["./sub//deep", "deep"],
    [Buffer.from([0xff, 0x20, 0x0a]), "bytes"],
  ])("opens %j", (path, content) => {
    expect(read(path, BENEATH)).toBe(content);
    expect(read(path, BENEATH | RESOLVE.NO_SYMLINKS)).toBe(content);
  });

  test.each([
    ["out", ["EXDEV", "ELOOP"]],
    ["up/secret", ["EXDEV", "ELOOP"]],
    ["absolute/secret", ["EXDEV", "ELOOP"]],
    ["../secret", ["EXDEV"]],
    ["sub/../../secret", ["EXDEV"]],
    ["/etc/passwd", ["EXDEV"]],
    ["loop", ["ELOOP"]],
    ["missing", ["ENOENT"]],
    ["missing/file", ["ENOENT"]],
    ["", ["ENOENT"]],
    ["file/below", ["ENOTDIR"]],
    ["n".repeat(300), ["ENAMETOOLONG"]],
  ])("refuses %j", (path, codes) => {
    const before = openDescriptors();
    let found: unknown;
    try {
      read(path, BENEATH);
    } catch (error) {
      found = (error as NodeJS.ErrnoException).code;
    }
    expect(codes).toContain(found);
    expect(openDescriptors()).toBe(before);
  });

  test("magic links do not lead out", () => {
    const self = open("/proc/self");
    const options = { flags: constants.O_RDONLY, resolve: BENEATH };
    for (const path of [`fd/${dirFd}`, "root/etc", "cwd", "exe"]) {
      expect(() => openat2(self, path, options)).toThrow(
        expect.objectContaining({ code: expect.stringMatching(/^(ELOOP|EXDEV)$/) }),
      );
    }
  });

  test("symlinks: forbidden by NO_SYMLINKS, at the end and on the way", () => {
    for (const path of ["to-file", "to-sub/deep"]) {
      expect(() => read(path, RESOLVE.BENEATH | RESOLVE.NO_SYMLINKS)).toThrow(failure("ELOOP"));
    }
    const options = { flags: O_PATH, resolve: RESOLVE.BENEATH | RESOLVE.NO_SYMLINKS };
    expect(() => openat2(dirFd, "to-file", options)).toThrow(failure("ELOOP"));
    const link = closeAtEnd(openat2(dirFd, "to-file", { ...options, flags: O_PATH | constants.O_NOFOLLOW }));
    expect(fstatSync(link).isSymbolicLink()).toBe(true);
  });

  test("another file system is refused by NO_XDEV", () => {
    const slash = open("/");
    const at = (resolve: number): number => openat2(slash, "proc/version", { flags: constants.O_RDONLY, resolve });
    expect(() => at(RESOLVE.BENEATH | RESOLVE.NO_XDEV)).toThrow(failure("EXDEV"));
    closeAtEnd(at(RESOLVE.BENEATH));
  });

  test("a FIFO does not hang, a bad descriptor is an error", () => {
    const fd = closeAtEnd(openat2(dirFd, "fifo", { flags: constants.O_NONBLOCK, resolve: BENEATH }));
    expect(fstatSync(fd).isFIFO()).toBe(true);
    expect(() => openat2(1_000_000, "file", { flags: 0, resolve: BENEATH })).toThrow(failure("EBADF"));
  });

  test("creates with the mode, closes on exec", () => {
    const flags = constants.O_CREAT | constants.O_EXCL | constants.O_WRONLY;
    const fd = closeAtEnd(openat2(dirFd, "new", { flags, mode: 0o600, resolve: BENEATH }));
    expect(fstatSync(fd).mode & 0o777).toBe(0o600);
    const flagsLine = /^flags:\s*(\d+)/m.exec(readFileSync(`/proc/self/fdinfo/${fd}`, "utf8"))?.[1] ?? "";
    expect(Number.parseInt(flagsLine, 8) & 0o2000000).not.toBe(0);
    expect(() => openat2(dirFd, "new", { flags, mode: 0o600, resolve: BENEATH })).toThrow(failure("EEXIST"));
  });
});

test("symlinks that stay inside are followed by the kernel's call", () => {
  expect(read("to-file", BENEATH)).toBe("inside");
  expect(read("to-sub/deep", BENEATH)).toBe("deep");
});

test("an unnamed file gets its name once", () => {
  const fd = closeAtEnd(openTmpfile(dirFd, 0o640));
  writeSync(fd, "content");
  linkFd(fd, dirFd, "named");
  expect(readFileSync(join(root, "in/named"), "utf8")).toBe("content");
  expect(fstatSync(fd).mode & 0o777).toBe(0o640 & ~process.umask());
  expect(() => linkFd(fd, dirFd, "named")).toThrow(expect.objectContaining({ code: "EEXIST" }));
  expect(() => linkFd(fd, dirFd, "a\0b")).toThrow(TypeError);
  expect(() => openTmpfile(1_000_000, 0o600)).toThrow(expect.objectContaining({ code: "EBADF" }));
});

test("syncfs and the file system's type", async () => {
  await syncfs(dirFd);
  await expect(syncfs(1_000_000)).rejects.toMatchObject({ code: "EBADF", syscall: "syncfs" });
  expect(fileSystemType(open("/proc"))).toBe(0x9fa0);
  expect(() => fileSystemType(1_000_000)).toThrow(expect.objectContaining({ code: "EBADF" }));
});
