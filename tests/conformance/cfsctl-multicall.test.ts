import { createHash } from "node:crypto";
import {
  chmodSync,
  linkSync,
  lutimesSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { runCli } from "../../packages/cfsctl/src/main.ts";
import { fakeIo, fakeTerminal } from "../../packages/cfsctl/test/fake-io.ts";

/** What composefs-rs 0.9.4 prints; the file's own `about` says how it was recorded. */
interface Recorded {
  readonly outputs: readonly {
    readonly argv: string[];
    readonly status: number;
    readonly stdout?: string;
    readonly sha256?: string;
  }[];
  readonly listings: readonly { readonly dump: string; readonly sha256: string; readonly lines: number }[];
  readonly trees: readonly { readonly options: string[]; readonly dump: string; readonly id: string }[];
  readonly store: readonly string[];
}
interface Vectors {
  readonly cases: readonly {
    readonly name: string;
    readonly dump: { readonly sha256: { readonly file: string } };
    readonly images: { readonly sha256: Readonly<Record<"v0" | "v1", { readonly id: string }>> };
  }[];
}

const TESTDATA = new URL("../../testdata/", import.meta.url);
const EROFS = new URL("erofs/", TESTDATA).pathname;
const read = <T>(name: string): T => JSON.parse(readFileSync(new URL(name, TESTDATA), "utf8")) as T;
const recorded = read<Recorded>("cfsctl/multicall.json");
const { cases } = read<Vectors>("erofs/vectors.json");
const sha256 = (text: string): string => createHash("sha256").update(text, "latin1").digest("hex");

let directory: string;
let tree: string;
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), "multicall-"));
  tree = join(directory, "tree");
  const usr = join(tree, "usr");
  mkdirSync(usr, { recursive: true });
  writeFileSync(join(usr, "a"), "hi\n");
  writeFileSync(join(usr, "big"), Buffer.alloc(1000));
  linkSync(join(usr, "big"), join(usr, "big2"));
  symlinkSync("big", join(usr, "link"));
  for (const name of ["a", "big"]) chmodSync(join(usr, name), 0o644);
  for (const name of [usr, tree]) chmodSync(name, 0o755);
  for (const name of ["usr/a", "usr/big", "usr/link", "usr", "."]) lutimesSync(join(tree, name), 1000, 1000);
});
afterAll(() => rmSync(directory, { recursive: true }));

async function run(argv: readonly string[], options: { script?: string; input?: Uint8Array; terminal?: true } = {}) {
  const io = {
    ...fakeIo(options.input ? [options.input] : []),
    ...(options.terminal ? { stdout: fakeTerminal() } : {}),
  };
  const status = await runCli(argv, io, options.script);
  const bytes = Buffer.concat(io.stdout.chunks);
  return { status, bytes, stdout: bytes.toString("latin1"), stderr: io.stderr.text };
}

/** Names of files in testdata/erofs as paths. */
function located(argv: readonly string[]): string[] {
  return argv.map((word) =>
    /^[^/]+\.(dump|erofs|json)$/.test(word) ? `${EROFS}${word}` : word === "." ? EROFS : word,
  );
}

test.each(recorded.outputs.map(({ argv, ...output }) => ({ command: argv.join(" "), argv, ...output })))(
  "$command",
  async ({ argv, status, stdout, sha256: digest }) => {
    const found = await run(located(argv));
    expect(found.status).toBe(status);
    if (stdout !== undefined) expect(found.stdout).toBe(stdout);
    else expect(sha256(found.stdout)).toBe(digest);
    if (status === 0) expect(found.stderr).toBe("");
    else expect(found.stderr).not.toBe("");
  },
);

describe("mkcomposefs", () => {
  test.each(cases.filter(({ name }) => name !== "90-overflow"))("$name", async ({ dump, images }) => {
    for (const [version, { id }] of Object.entries(images.sha256).slice(0, 2)) {
      const image = join(directory, "case.erofs");
      const argv = ["--from-file", "--print-digest", "--min-version", version.slice(1), dump.sha256.file, image];
      expect(await run(["mkcomposefs", ...located(argv)])).toMatchObject({ status: 0, stdout: `${id}\n` });
      expect((await run(["composefs-info", "measure-file", image])).stdout).toBe(`${id}\n`);
    }
  });

  test.each(recorded.listings)("ls of $dump", async ({ dump, sha256: digest, lines }) => {
    const image = join(directory, "names.erofs");
    expect((await run(["mkcomposefs", "--from-file", `${EROFS}${dump}`, image])).status).toBe(0);
    const { stdout } = await run(["composefs-info", "ls", image]);
    expect(stdout.split("\n")).toHaveLength(lines + 1);
    expect(sha256(stdout)).toBe(digest);
  });

  test.each(recorded.trees)("a directory, %j", async ({ options, dump, id }) => {
    const image = join(directory, "tree.erofs");
    const store = mkdtempSync(join(directory, "store-"));
    const { status, stdout } = await run([
      "mkcomposefs",
      ...options,
      "--print-digest",
      "--digest-store",
      store,
      tree,
      image,
    ]);
    expect(status).toBe(0);
    const owner = `${process.getuid?.() ?? 0} ${process.getgid?.() ?? 0}`;
    const expected = dump.replace(/^(\S+ \d+ \d+ \d+) 0 0 /gm, `$1 ${owner} `);
    expect((await run(["composefs-info", "dump", image])).stdout).toBe(expected);
    if (owner === "0 0") expect(stdout).toBe(id);
    const files = readdirSync(store, { recursive: true, withFileTypes: true }).filter((item) => item.isFile());
    expect(files.map((item) => join(item.parentPath, item.name).slice(store.length + 1))).toEqual(recorded.store);
    expect((await run(["composefs-info", "missing-objects", "--basedir", store, image])).stdout).toBe("");
    expect((await run(["composefs-info", "missing-objects", "--basedir", tree, image])).stdout).toBe(
      `${recorded.store[0]}\n`,
    );
  });

  test("standard input and output", async () => {
    const input = readFileSync(`${EROFS}02-one-file.dump`);
    const { bytes } = await run(["mkcomposefs", "--from-file", "-", "-"], { input });
    expect(bytes.equals(readFileSync(`${EROFS}02-one-file.sha256.v0.erofs`))).toBe(true);
    const refused = await run(["mkcomposefs", "--from-file", "-", "-"], { input, terminal: true });
    expect(refused).toMatchObject({ status: 1, stdout: "" });
  });

  test("a failed run leaves the old image", async () => {
    const image = join(directory, "kept");
    writeFileSync(image, "old");
    expect((await run(["mkcomposefs", "--from-file", `${EROFS}90-overflow.dump`, image])).status).toBe(1);
    expect(readFileSync(image, "utf8")).toBe("old");
    expect((await run(["mkcomposefs", tree, join(directory, "no/such/place")])).stderr).toContain("[ENOENT]");
    expect(readdirSync(directory).filter((name) => name.endsWith(".tmp"))).toEqual([]);
  });

  test.each([
    [["--print-digest-only", "tree", "image"]],
    [["tree"]],
    [["--threads", "many", "tree", "image"]],
    [["--digest-store", "a", "--digest-store", "b", "tree", "image"]],
  ])("usage error: %j", async (argv) => {
    expect(await run(["mkcomposefs", ...argv])).toMatchObject({ status: 2, stdout: "" });
  });
});

describe("D24", () => {
  const image = `${EROFS}03-kinds.sha256.v1.erofs`;
  test("composefs-info takes the C tool's options before the subcommand", async () => {
    const after = await run(["composefs-info", "ls", "--filter", "tmp", image]);
    expect(after.stdout).toBe("/tmp/\t\n/tmp/sub/\t\n");
    expect((await run(["composefs-info", "--filter", "tmp", "ls", image])).stdout).toBe(after.stdout);
    const missing = await run(["composefs-info", "--basedir", directory, "missing-objects", image]);
    expect(missing.stdout).toBe((await run(["composefs-info", "objects", image])).stdout);
  });

  test("dump --filter filters", async () => {
    const { stdout } = await run(["composefs-info", "dump", "--filter", "tmp", image]);
    expect(stdout.split("\n").map((line) => line.split(" ")[0])).toEqual(["/", "/tmp", "/tmp/sub", ""]);
  });

  test("mount.composefs --help is no error", async () => {
    const { status, stdout, stderr } = await run(["mount.composefs", "--help"]);
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
    expect(stdout).toContain("Usage: mount.composefs");
    expect(await run(["mount.composefs"])).toMatchObject({ status: 2, stdout: "" });
  });
});

test.each([
  ["", "No object dirs specified"],
  ["basedir=", "No object dirs specified"],
  ["basedir", "No value specified for basedir option"],
  ["basedir=d,foo=1", "Unsupported option: foo"],
  ["basedir=d,,ro", "Unsupported option: "],
  ["basedir=d,upperdir=u", "Both workdir and upperdir must be specified if used"],
])("mount.composefs -o '%s'", async (options, message) => {
  const { status, stderr } = await run(["mount.composefs", "-o", options, "image", directory]);
  expect({ status, stderr }).toEqual({ status: 1, stderr: `Error: ${message}\n` });
});

test("mount.composefs mounts no other type, and no image without the fs-verity that digest= asks for", async () => {
  const image = join(directory, "plain.erofs");
  expect((await run(["mkcomposefs", tree, image])).status).toBe(0);
  expect((await run(["mount.composefs", "-t", "ext4", image, directory])).stderr).toBe(
    "Error: Unsupported fs type 'ext4'\n",
  );
  const digest = (await run(["composefs-info", "measure-file", image])).stdout.trim();
  const { status, stderr } = await run([
    "mount.composefs",
    "-o",
    `basedir=${directory},digest=${digest}`,
    image,
    directory,
  ]);
  expect(status).toBe(1);
  expect(stderr).toContain("Image has no fs-verity [VERITY_REQUIRED]");
});

test.each(["mkcomposefs", "composefs-info", "mount.composefs"])("%s by the name of the script", async (name) => {
  for (const script of [`/usr/bin/${name}`, `bin/${name}.js`]) {
    expect((await run(["--version"], { script })).stdout).toMatch(new RegExp(`^${name} \\d+\\.\\d+\\.\\d+\n$`));
  }
  expect((await run([name, "--version"], { script: "/usr/bin/cfsctl" })).stdout).toContain(`${name} `);
});
