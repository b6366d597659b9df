import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import { isFileType, type TarEntry, TarHeaderError, TarParser } from "@composefs/tar-header";
import { expect, test } from "vitest";

/** One recorded import of a tar with composefs-rs 0.9.4; see testdata/README-tar.txt. */
interface Recorded {
  readonly import_layer: { readonly rc: number; readonly stderr: string };
  readonly layer_json?: {
    readonly size: number;
    readonly entryCount: number;
    readonly splitstream: {
      readonly externalObjects: number;
      readonly externalSize: number;
      readonly inlineSize: number;
    };
  };
  readonly layer_dumpfile?: { readonly rc: number; readonly stdout: string };
}

const INLINE_MAX = 64;
const file = (name: string): Buffer => readFileSync(new URL(`../../testdata/oci/${name}`, import.meta.url));
const recorded = (JSON.parse(file("cases.json").toString()) as { cases: Record<string, { sha256: Recorded }> }).cases;
const tars = readArchive(gunzipSync(file("cases.tar.gz")));
const names = Object.keys(recorded).filter((name) => !name.startsWith("comp-"));

/** Codes of ours where the reference refuses; the texts of the reference say why it did. */
const CODES: readonly (readonly [RegExp, string])[] = [
  [/checksum mismatch/, "CHECKSUM_MISMATCH"],
  [/invalid octal field/, "INVALID_NUMBER"],
  [/metadata exceeds limit/, "TAR_LIMIT"],
  [/./, "TAR_MALFORMED"],
];

test("all tars are there", () => {
  expect(names.length).toBe(119);
  expect(names.filter((name) => !tars.has(name))).toEqual([]);
});

test.each(names)("%s", (name) => {
  const tar = tars.get(name) as Buffer;
  const {
    import_layer: result,
    layer_json: json,
    layer_dumpfile: dump,
  } = (recorded[name] as { sha256: Recorded }).sha256;
  for (const chunkSize of [tar.length + 1, 512, 333, ...(tar.length < 30_000 ? [1] : [])]) {
    if (result.rc !== 0) {
      const code = CODES.find(([pattern]) => pattern.test(result.stderr))?.[1];
      expect(() => split(tar, chunkSize)).toThrow(expect.objectContaining({ name: "TarHeaderError", code }));
      continue;
    }
    const ours = split(tar, chunkSize);
    expect(Buffer.concat(ours.bytes).equals(tar)).toBe(true);
    // Where the tree cannot be built the reference counted nothing.
    if (json?.splitstream !== undefined) {
      expect({ size: tar.length, entryCount: ours.entries.length, splitstream: ours.sizes() }).toEqual({
        size: json.size,
        entryCount: json.entryCount,
        splitstream: json.splitstream,
      });
    }
    if (dump?.rc === 0) {
      expect(ours.entries.map(({ line }) => line)).toEqual(dump.stdout.split("\n").filter(Boolean).map(comparable));
    }
  }
});

test("a damaged copy of every accepted tar is refused or read, never anything else", () => {
  for (const name of names) {
    const tar = tars.get(name) as Buffer;
    for (let cut = 0; cut < Math.min(tar.length, 6000); cut += 97) {
      try {
        split(tar.subarray(0, cut), 4096);
      } catch (error) {
        expect(error).toBeInstanceOf(TarHeaderError);
      }
    }
  }
});

/** What a layer import makes of the events. */
function split(tar: Buffer, chunkSize: number) {
  const parser = new TarParser();
  const bytes: Buffer[] = [];
  const entries: { line: string }[] = [];
  const objects = new Set<string>();
  let inlineSize = 0;
  let externalSize = 0;
  let hash: ReturnType<typeof createHash> | null = null;
  for (let offset = 0; offset < tar.length; offset += chunkSize) {
    for (const event of parser.push(tar.subarray(offset, offset + chunkSize))) {
      if (event.type === "entry") {
        entries.push({ line: describe(event.entry) });
        hash = event.entry.isFile && event.entry.size > INLINE_MAX ? createHash("sha256") : null;
        expect(event.entry.isFile).toBe(isFileType(event.entry.type));
        continue;
      }
      bytes.push(Buffer.from(event.bytes));
      if (event.type === "data" && hash !== null) {
        hash.update(event.bytes);
        externalSize += event.bytes.length;
        if (event.remaining === 0) {
          objects.add(hash.digest("hex"));
        }
      } else {
        inlineSize += event.bytes.length;
      }
    }
  }
  parser.finish();
  return { bytes, entries, sizes: () => ({ externalObjects: objects.size, externalSize, inlineSize }) };
}

const FILE_TYPES: Readonly<Record<string, number>> = {
  regular: 0o100000,
  continuous: 0o100000,
  directory: 0o040000,
  symlink: 0o120000,
  char: 0o020000,
  block: 0o060000,
  fifo: 0o010000,
};

/** An entry in the form of the lines `comparable` makes: what a dump of the layer tells of it. */
function describe(entry: TarEntry): string {
  const path = absolute(entry.path);
  if (entry.type === "link") {
    return `${path} hardlink ${absolute(entry.linkPath ?? new Uint8Array())}`;
  }
  const symlink = entry.type === "symlink" ? latin1(entry.linkPath ?? new Uint8Array()) : "";
  const size = symlink !== "" ? symlink.length : entry.isFile ? entry.size : 0;
  const mode = (FILE_TYPES[entry.type] ?? 0) + (entry.mode % 0o10000);
  const { major, minor } = entry.device ?? { major: 0, minor: 0 };
  const rdev = (minor % 256) + (major % 4096) * 256 + (minor - (minor % 256)) * 4096;
  const mtime = `${entry.mtime.sec}.${entry.mtime.nsec}`;
  const xattrs = [...entry.xattrs].map(([key, value]) => `${key}=${latin1(value)}`).sort();
  return [path, size, mode.toString(8), entry.uid, entry.gid, rdev, mtime, symlink, ...xattrs].join(" ");
}

/** Paths as the dump shows them, by oci.md §4.1 before components are looked at. */
function absolute(path: Uint8Array): string {
  return `/${latin1(path).replace(/^\//, "").replace(/\/+$/, "")}`;
}

/** The same of a line of the dump: without link count, content and digests. */
function comparable(line: string): string {
  const [path = "", size, mode = "", , uid, gid, rdev, mtime, payload = "", , , ...xattrs] = line.split(" ");
  if (mode.startsWith("@")) {
    return `${unescaped(path)} hardlink ${unescaped(payload)}`;
  }
  const isSymlink = mode.startsWith("120");
  const target = isSymlink && payload !== "-" ? unescaped(payload) : "";
  return [unescaped(path), size, mode, uid, gid, rdev, mtime, target, ...xattrs.map(unescaped).sort()].join(" ");
}

function unescaped(text: string): string {
  return text.replace(/\\(x([0-9a-f]{2})|.)/g, (_, char: string, hex?: string) =>
    hex === undefined
      ? (({ n: "\n", r: "\r", t: "\t" } as Record<string, string>)[char] ?? char)
      : String.fromCharCode(Number.parseInt(hex, 16)),
  );
}

function latin1(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("latin1");
}

/** The files of the archive of cases, read by the simplest rules and without the code under test. */
function readArchive(archive: Buffer): Map<string, Buffer> {
  const files = new Map<string, Buffer>();
  for (let offset = 0; (archive[offset] ?? 0) !== 0; ) {
    const name = archive.toString("latin1", offset, archive.indexOf(0, offset));
    const size = Number.parseInt(archive.toString("latin1", offset + 124, offset + 135), 8);
    const start = offset + 512;
    files.set(name.replace(/^cases\/|\.tar$/g, ""), archive.subarray(start, start + size));
    offset = start + Math.ceil(size / 512) * 512;
  }
  return files;
}
