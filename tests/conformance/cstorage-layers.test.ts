import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  appendFileSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  truncateSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { discoverStores, layerTar, type Storage } from "@composefs/cstorage";
import { afterEach, describe, expect, test } from "vitest";

/** Layers stored by podman's library, with trees, digests and mutations recorded beside it; containers-storage.md §11. */
const FOLDER = new URL("../../testdata/containers-storage/layers/", import.meta.url);
const LAYERS = ["layer-1", "layer-2", "layer-3"];
const ID = "ab".repeat(32);

interface DiffEntry {
  pathBase64: string;
  type: "file" | "dir" | "symlink" | "hardlink";
  dataBase64?: string;
  targetBase64?: string;
}
interface Expected {
  tarSha256: string;
  diffId: string;
  tarSize: number;
  inlineThreshold: number;
  externalObjects: number;
  externalBytes: number;
  inlineBytes: number;
  items: ({ segment: number } | { file: { nameBase64: string; size: number; external: boolean } })[];
}
interface Mutation {
  id: string;
  op: string;
  pathBase64?: string;
  offset?: number;
  dataHex?: string;
  size?: number;
  target?: string;
  gzBase64?: string;
  expectError: string;
}

const CODES: Readonly<Record<string, string>> = { DigestMismatch: "DIFF_ID_MISMATCH" };
const codeOfName = (name: string): string => CODES[name] ?? name.replace(/(?!^)([A-Z])/g, "_$1").toUpperCase();

const readJson = <T>(path: string): T => JSON.parse(readFileSync(new URL(path, FOLDER), "utf8")) as T;
const roots: string[] = [];
let storage: Storage | undefined;

afterEach(async () => {
  await storage?.close();
  storage = undefined;
  for (const root of roots.splice(0)) rmSync(root, { recursive: true, force: true });
});

interface Fixture {
  root: string;
  diff: Buffer;
  tarSplit: string;
  expected: Expected;
}

function buildStore(layer: string, withSize = true): Fixture {
  const root = mkdtempSync(join(tmpdir(), "cstorage-"));
  roots.push(root);
  const link = "A".repeat(26);
  for (const dir of ["overlay-images", "overlay-layers", `overlay/${ID}/diff`, "overlay/l"]) {
    mkdirSync(join(root, dir), { recursive: true });
  }
  symlinkSync(`../${ID}/diff`, join(root, "overlay/l", link));
  writeFileSync(join(root, "overlay", ID, "link"), link);
  writeFileSync(join(root, "overlay-layers/layers.lock"), readFileSync(new URL("../layers.lock", FOLDER)));
  const expected = readJson<Expected>(`${layer}/expected.json`);
  const record = { id: ID, "diff-digest": expected.diffId, ...(withSize ? { "diff-size": expected.tarSize } : {}) };
  writeFileSync(join(root, "overlay-layers/layers.json"), JSON.stringify([record]));
  const tarSplit = join(root, "overlay-layers", `${ID}.tar-split.gz`);
  writeFileSync(tarSplit, readFileSync(new URL(`${layer}/tar-split.gz`, FOLDER)));
  const diff = Buffer.from(join(root, "overlay", ID, "diff/"));
  for (const entry of readJson<{ entries: DiffEntry[] }>(`${layer}/diff.json`).entries) {
    const path = below(diff, entry.pathBase64);
    const target = Buffer.from(entry.targetBase64 ?? "", "base64");
    if (entry.type === "dir") mkdirSync(path);
    else if (entry.type === "file") writeFileSync(path, Buffer.from(entry.dataBase64 ?? "", "base64"));
    else if (entry.type === "symlink") symlinkSync(target, path);
    else linkSync(below(diff, entry.targetBase64 as string), path);
  }
  return { root, diff, tarSplit, expected };
}

const below = (diff: Buffer, pathBase64: string): Buffer => Buffer.concat([diff, Buffer.from(pathBase64, "base64")]);

function mutate({ diff, tarSplit }: Fixture, mutation: Mutation): void {
  const path = mutation.pathBase64 === undefined ? diff : below(diff, mutation.pathBase64);
  if (mutation.op.startsWith("replace-")) removeBytes(path);
  switch (mutation.op) {
    case "flip": {
      const bytes = readFileSync(path);
      bytes[mutation.offset as number] = (bytes[mutation.offset as number] as number) ^ 1;
      writeFileSync(path, bytes);
      break;
    }
    case "append":
      appendFileSync(path, Buffer.from(mutation.dataHex as string, "hex"));
      break;
    case "truncate":
      truncateSync(path, mutation.size);
      break;
    case "remove":
      unlinkSync(path);
      break;
    case "tar-split":
      writeFileSync(tarSplit, Buffer.from(mutation.gzBase64 as string, "base64"));
      break;
    case "remove-tar-split":
      unlinkSync(tarSplit);
      break;
    case "replace-symlink":
      symlinkSync(mutation.target as string, path);
      break;
    case "replace-dir":
      mkdirSync(path);
      break;
    case "replace-fifo":
      mkfifo(path);
      break;
    default:
      throw new Error(`unknown operation ${mutation.op}`);
  }
}

/** Removal by bytes: `rm` takes names that are not UTF-8, Node's recursive removal does not. */
function removeBytes(path: Buffer): void {
  runWithPath('rm -rf -- "$p"', path);
}

function mkfifo(path: Buffer): void {
  runWithPath('mkfifo -- "$p"', path);
}

/** Arguments of a child are strings to Node, so the path goes through the shell's printf as octal escapes. */
function runWithPath(command: string, path: Buffer): void {
  const octal = [...path].map((byte) => `\\${byte.toString(8).padStart(3, "0")}`).join("");
  execFileSync("sh", ["-c", `p=$(printf '${octal}') && ${command}`]);
}

async function rebuild(root: string): Promise<{ sha256: string; size: number }> {
  storage = await discoverStores({ root });
  const hash = createHash("sha256");
  let size = 0;
  for await (const bytes of layerTar(await storage.layer(ID), { verify: "diffid" })) {
    hash.update(bytes);
    size += bytes.length;
  }
  return { sha256: hash.digest("hex"), size };
}

describe.each(LAYERS)("%s", (layer) => {
  test("rebuilds the original tar", async () => {
    const { root, expected } = buildStore(layer);
    expect(await rebuild(root)).toEqual({ sha256: expected.tarSha256, size: expected.tarSize });
  });

  test("gives the recorded sequence of items", async () => {
    const { root, expected } = buildStore(layer);
    storage = await discoverStores({ root });
    const content = await (await storage.layer(ID)).open();
    const items: Expected["items"] = [];
    const totals = { externalObjects: 0, externalBytes: 0, inlineBytes: 0 };
    for await (const { chunks, files, firstFile } of content.batches()) {
      for (const chunk of chunks) {
        if ("inline" in chunk) {
          items.push({ segment: chunk.inline.length });
          totals.inlineBytes += chunk.inline.length;
          continue;
        }
        const file = files[chunk.external - firstFile];
        if (file === undefined) throw new Error(`no file ${chunk.external}`);
        const external = file.size > expected.inlineThreshold;
        items.push({ file: { nameBase64: Buffer.from(file.name).toString("base64"), size: file.size, external } });
        if (external) totals.externalObjects++;
        totals[external ? "externalBytes" : "inlineBytes"] += file.size;
      }
    }
    await content.close();
    expect(items).toEqual(expected.items);
    const { externalObjects, externalBytes, inlineBytes } = expected;
    expect(totals).toEqual({ externalObjects, externalBytes, inlineBytes });
  });
});

describe.each(["layer-1", "layer-2"])("%s mutated", (layer) => {
  const mutations = readJson<Mutation[]>(`${layer}/mutations.json`);

  test.each(mutations)("$id", async (mutation) => {
    const fixture = buildStore(layer);
    mutate(fixture, mutation);
    await expect(rebuild(fixture.root)).rejects.toMatchObject({ code: codeOfName(mutation.expectError) });
  });

  test.each(mutations.filter(({ op }) => op.startsWith("tar-split")))("$id, size unknown", async (mutation) => {
    const fixture = buildStore(layer, false);
    mutate(fixture, mutation);
    await expect(rebuild(fixture.root)).rejects.toMatchObject({ code: codeOfName(mutation.expectError) });
  });
});
