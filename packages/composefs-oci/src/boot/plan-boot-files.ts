import {
  type BootContent,
  type BootEntry,
  type ByteString,
  byteString,
  findBootImage,
  type HashName,
  type ObjectId,
  peSection,
  renameBlsFiles,
  setBlsArgument,
} from "@composefs/core";
import { OciError } from "../errors.ts";

/** What is written for an entry. */
export interface BootFiles {
  /** By their paths beneath the boot directory, in the order of writing: what makes it bootable comes last. */
  readonly files: ReadonlyMap<ByteString, BootContent>;
  /** The image that is booted. */
  readonly id: ObjectId;
}

/** Settings of {@link planBootFiles}. */
export interface PlanOptions {
  readonly hash: HashName;
  /** Images to boot that there are; the one that a boot loader entry is to name first. */
  readonly images: readonly ObjectId[];
  /** The kernel argument for the first of them. */
  readonly argument: string;
  /** Name of the entry in place of its own. */
  readonly entryId?: string | undefined;
  /** Further kernel arguments. */
  readonly commandLine: readonly string[];
  readonly read: (content: BootContent) => Promise<Uint8Array>;
}

/** Longest command line of a unified kernel image that is looked at; the kernel takes 4 KiB at most. */
const MAX_COMMAND_LINE_BYTES = 64 * 1024;

/**
 * The files that boot an image by one of its entries.
 *
 * @throws OciError `BOOT_ENTRY_INVALID` the entry cannot be used, with these options; `BOOT_IMAGE_MISMATCH` a unified
 *   kernel image is for another image; ComposefsError `BOOT_ENTRY_INVALID`; errors of `read`
 * @see oci.md §6.4
 */
export async function planBootFiles(entry: BootEntry, options: PlanOptions): Promise<BootFiles> {
  switch (entry.kind) {
    case "bls":
      return planBls(entry, options);
    case "uki":
      return planUki(entry, options);
    case "kernel":
      return planKernel(entry, options);
  }
}

function planBls({ name, text, files }: BootEntry & { readonly kind: "bls" }, options: PlanOptions): BootFiles {
  const { entryId } = options;
  const moved = new Map<ByteString, BootContent>();
  for (const [path, content] of files) {
    const to = pathBytes(newPath(path, entryId));
    const other = moved.get(to);
    if (other !== undefined && entryId !== undefined) {
      throw unusable(`two files of entry '${shown(name)}' would be called '${shown(to)}'`, "leave --entry-id out");
    }
    moved.set(to, content);
  }
  const renamed = entryId === undefined ? text : renameBlsFiles(text, (path) => newPath(path, entryId));
  const file = `loader/entries/${entryId === undefined ? name : pathBytes(entryId)}.conf` as ByteString;
  return withEntry(moved, file, renamed, options);
}

async function planUki(
  { path, content }: BootEntry & { readonly kind: "uki" },
  { entryId, commandLine, hash, images, read }: PlanOptions,
): Promise<BootFiles> {
  if (commandLine.length > 0) {
    throw unusable(
      `'${shown(path)}' is a unified kernel image, whose command line cannot be added to`,
      "leave --cmdline out, or build the kernel image with these arguments",
    );
  }
  const section = peSection(await read(content), ".cmdline");
  if (section !== null && section.length > MAX_COMMAND_LINE_BYTES) {
    throw unusable(
      `the unified kernel image '${shown(path)}' has a .cmdline section of ${section.length} bytes`,
      "build it anew",
    );
  }
  const line = section === null ? null : Buffer.from(section).toString("utf8").replace(/\0+$/, "");
  const id = line === null ? null : findBootImage(line, hash);
  if (id === null) {
    const problem = line === null ? "has no .cmdline section" : "names no image on its command line";
    throw unusable(`the unified kernel image '${shown(path)}' ${problem}`, "build it with the image's kernel argument");
  }
  if (!images.includes(id)) {
    throw new OciError("BOOT_IMAGE_MISMATCH", `the unified kernel image '${shown(path)}' boots ${id}, not this image`, {
      details: { path: shown(path), found: id, expected: images },
      hint: "build it with the id that `cfsctl oci compute-id --bootable` prints",
    });
  }
  const file = `EFI/Linux/${entryId === undefined ? path : `${pathBytes(entryId)}.efi`}` as ByteString;
  return { files: new Map([[file, content]]), id };
}

function planKernel(
  { version, kernel, initramfs }: BootEntry & { readonly kind: "kernel" },
  options: PlanOptions,
): BootFiles {
  if (initramfs === null) {
    throw unusable(`kernel ${shown(version)} has no initramfs.img beside it`, "build the image with an initramfs");
  }
  const name = options.entryId === undefined ? version : pathBytes(options.entryId);
  const title = "# File created by composefs\ntitle todoOS\nversion 0-todo\n";
  const text = `${title}linux /${shown(name)}/vmlinuz\ninitrd /${shown(name)}/initramfs.img\n`;
  const files = new Map([
    [`${name}/vmlinuz` as ByteString, kernel],
    [`${name}/initramfs.img` as ByteString, initramfs],
  ]);
  return withEntry(files, `loader/entries/${name}.conf` as ByteString, text, options);
}

function withEntry(
  files: ReadonlyMap<ByteString, BootContent>,
  path: ByteString,
  text: string,
  { argument, commandLine, images }: PlanOptions,
): BootFiles {
  const bytes = Buffer.from([argument, ...commandLine].reduce(setBlsArgument, text));
  const [id] = images;
  if (id === undefined) throw new RangeError("an entry needs an image");
  return { files: new Map([...files, [path, { kind: "inline", bytes }]]), id };
}

function newPath(path: string, entryId: string | undefined): string {
  return entryId === undefined
    ? path
    : `/${entryId}/${path.split("/").findLast((part) => part !== "" && part !== ".")}`;
}

function pathBytes(path: string): ByteString {
  return byteString(Buffer.from(path));
}

function shown(path: ByteString): string {
  return Buffer.from(path, "latin1").toString("utf8");
}

function unusable(message: string, hint: string): OciError {
  return new OciError("BOOT_ENTRY_INVALID", message, { hint });
}
