import {
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, relative } from "node:path";
import { verityDigest } from "@composefs/reflink";
import { onTestFinished } from "vitest";
import type { ObjectId } from "../../src/fsverity/object-id.ts";
import { collectGarbage, type GcOptions, type GcResult } from "../../src/repository/gc.ts";
import type { MarkContext } from "../../src/repository/gc-mark.ts";
import { initRepository } from "../../src/repository/init.ts";
import { contentType } from "../../src/splitstream/format.ts";
import { SplitstreamWriter } from "../../src/splitstream/writer.ts";

/** What {@link ScratchRepository.putImage} writes and {@link readFakeImage} reads in place of EROFS. */
const FAKE_IMAGE = "fake image\n";

/** An image reader for the images of {@link ScratchRepository.putImage}. */
function readFakeImage(bytes: Uint8Array): Buffer {
  const text = Buffer.from(bytes).toString("latin1");
  if (!text.startsWith(FAKE_IMAGE)) throw new Error("not a fake image");
  return Buffer.from(text.slice(FAKE_IMAGE.length).replaceAll("\n", ""), "hex");
}

/** A sha256 repository, insecure, whose files tests write by hand: nothing of the code under test makes them. */
export class ScratchRepository {
  // In memory where that is possible: gc's syncfs(2) would wait for everything the machine has to write.
  readonly path = join(mkdtempSync(join(existsSync("/dev/shm") ? "/dev/shm" : tmpdir(), "composefs-")), "repo");
  readonly fd: number;
  #disposed = false;

  constructor() {
    initRepository(this.path, { hash: "sha256", insecure: true });
    this.fd = openSync(this.path, "r");
    onTestFinished(() => this.dispose());
  }

  dispose(): void {
    if (!this.#disposed) closeSync(this.fd);
    this.#disposed = true;
    rmSync(dirname(this.path), { recursive: true, force: true });
  }

  /** What the functions under test take. */
  get context(): MarkContext & { path: string; verity: boolean } {
    return { repositoryFd: this.fd, path: this.path, hash: "sha256", verity: false, readImage: readFakeImage };
  }

  gc(options: GcOptions = {}): Promise<GcResult> {
    return collectGarbage(this.context, options);
  }

  put(content: string | Uint8Array): ObjectId {
    const bytes = Buffer.from(content as string);
    const id = Buffer.from(verityDigest(bytes, "sha256")).toString("hex") as ObjectId;
    this.write(this.objectPath(id), bytes);
    return id;
  }

  /** Stores a splitstream of these objects and named references, under a content identifier if one is given. */
  putStream(
    contentId: string | null,
    objects: readonly ObjectId[],
    refs: Readonly<Record<string, ObjectId>> = {},
  ): ObjectId {
    const writer = new SplitstreamWriter("sha256", contentType("oci_blob"));
    writer.inline(Buffer.from(`${contentId}`));
    for (const id of objects) writer.external(id, 1);
    for (const [name, id] of Object.entries(refs)) writer.ref(name, id);
    const id = this.put(writer.finish());
    if (contentId !== null) this.link(`streams/${contentId}`, this.objectPath(id));
    return id;
  }

  putImage(objects: readonly ObjectId[]): ObjectId {
    const id = this.put(FAKE_IMAGE + objects.join("\n"));
    this.link(`images/${id}`, this.objectPath(id));
    return id;
  }

  /** Points `images/refs/NAME` or `streams/refs/NAME` to an entry. */
  ref(category: "images" | "streams", name: string, entry: string): void {
    this.link(`${category}/refs/${name}`, `${category}/${entry}`);
  }

  objectPath(id: string): string {
    return `objects/${id.slice(0, 2)}/${id.slice(2)}`;
  }

  write(path: string, content: string | Uint8Array): void {
    mkdirSync(dirname(join(this.path, path)), { recursive: true });
    writeFileSync(join(this.path, path), content);
  }

  link(path: string, target: string): void {
    this.symlink(path, relative(dirname(path), target));
  }

  symlink(path: string, text: string): void {
    mkdirSync(dirname(join(this.path, path)), { recursive: true });
    symlinkSync(text, join(this.path, path));
  }

  remove(path: string): void {
    rmSync(join(this.path, path), { recursive: true });
  }

  /** Ids of all objects, sorted. */
  objects(): string[] {
    return this.names()
      .filter((path) => /^objects\/[0-9a-f]{2}\/[0-9a-f]{62}$/.test(path))
      .map((path) => path.slice("objects/".length).replace("/", ""));
  }

  /** Every path that is no directory, with link texts, sorted; as byte strings. */
  names(): string[] {
    return walk(this.path, "").sort();
  }
}

function walk(root: string, prefix: string): string[] {
  const at = (path: string): Buffer => Buffer.from(`${root}/${path}`, "latin1");
  return readdirSync(at(prefix), { withFileTypes: true, encoding: "latin1" }).flatMap((item) => {
    const path = prefix + item.name;
    if (item.isDirectory()) return walk(root, `${path}/`);
    return item.isSymbolicLink() ? [`${path} -> ${readlinkSync(at(path), "latin1")}`] : [path];
  });
}
