import type { BootEntry, ByteString, ObjectId } from "@composefs/core";
import { expect, test } from "vitest";
import { planBootFiles } from "../../src/boot/plan-boot-files.ts";

const ID = "1c436d1c7740143ef811f2e6f1e86ef7db463095aa218ada3fb4c88732397ee6" as ObjectId;

/** A PE executable with one section, laid out by Microsoft's "PE Format". */
function unifiedKernel(commandLine: Buffer): Buffer {
  const head = Buffer.alloc(0x200);
  head.write("MZ");
  head.writeUInt32LE(0x40, 0x3c);
  head.write("PE\0\0", 0x40);
  head.writeUInt16LE(1, 0x46);
  head.write(".cmdline", 0x58);
  head.writeUInt32LE(commandLine.length, 0x60);
  head.writeUInt32LE(0x200, 0x6c);
  return Buffer.concat([head, commandLine]);
}

function plan(commandLine: string) {
  const bytes = unifiedKernel(Buffer.from(commandLine));
  const entry: BootEntry = { kind: "uki", path: "a.efi" as ByteString, content: { kind: "inline", bytes } };
  const images = [ID];
  return planBootFiles(entry, { hash: "sha256", images, argument: "", commandLine: [], read: async () => bytes });
}

test("a command line that no kernel takes is not looked at", async () => {
  expect((await plan(`quiet composefs=${ID}`)).id).toBe(ID);
  await expect(plan(`composefs=${ID} ${"x ".repeat(40_000)}`)).rejects.toMatchObject({ code: "BOOT_ENTRY_INVALID" });
});
