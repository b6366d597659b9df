import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { peSection } from "../../src/boot/pe-section.ts";
import { ComposefsError } from "../../src/errors.ts";
import { codeOf } from "../support.ts";

interface Layout {
  readonly header?: number;
  readonly sections?: number;
  readonly optional?: number;
  readonly length?: number;
  readonly offset?: number;
}

/** A PE executable with sections `.text` and `.cmdline`, laid out by Microsoft's "PE Format", numbers as told. */
function executable(layout: Layout = {}): Buffer {
  const { header = 0x80, sections = 2, optional = 0xf0, length = 6, offset = 0x400 } = layout;
  const file = Buffer.alloc(0x600);
  file.write("MZ");
  file.writeUInt32LE(header, 0x3c);
  file.write("PE\0\0", 0x80);
  file.writeUInt16LE(0x8664, 0x84);
  file.writeUInt16LE(sections, 0x86);
  file.writeUInt16LE(optional, 0x94);
  for (const [i, name] of [".text", ".cmdline"].entries()) {
    const at = 0x80 + 24 + 0xf0 + i * 40;
    file.write(name, at);
    file.writeUInt32LE(length, at + 8);
    file.writeUInt32LE(0x1000, at + 12);
    file.writeUInt32LE(0x200, at + 16);
    file.writeUInt32LE(offset, at + 20);
  }
  file.write("root=1 rest", 0x400);
  return file;
}

const read = (file: Uint8Array): string | undefined => {
  const section = peSection(file, ".cmdline");
  return section === null ? undefined : Buffer.from(section).toString();
};

describe("a section", () => {
  test("has its own length, not the stored one", () => expect(read(executable())).toBe("root=1"));
  test("is found in a part of a larger buffer", () => {
    expect(read(Buffer.concat([Buffer.alloc(7), executable()]).subarray(7))).toBe("root=1");
  });
  test("may end where the file does", () => {
    expect(read(executable({ length: 0x200 }))).toHaveLength(0x200);
  });
  test.each<Layout>([{ sections: 0 }, { sections: 1 }])("may be missing: %j", (layout) => {
    expect(read(executable(layout))).toBeUndefined();
  });
});

test.each<Layout>([
  { header: 0x5ff },
  { header: 0x90 },
  { header: 0xffffffff },
  { sections: 0xffff },
  { optional: 0xffff },
  { length: 0x201 },
  { length: 0xffffffff },
  { offset: 0xffffffff },
  { offset: 0x601, length: 0 },
])("what is not within the file is refused: %j", async (layout) => {
  expect(await codeOf(() => peSection(executable(layout), ".cmdline"))).toBe("BOOT_ENTRY_INVALID");
});

test.each(["", "MZ", "MZ".padEnd(0x40, "\0"), "x".repeat(600)])("%j is no executable", async (text) => {
  expect(await codeOf(() => peSection(Buffer.from(text), ".cmdline"))).toBe("BOOT_ENTRY_INVALID");
});

test("any bytes give a section within them, or our error", () => {
  const damaged = fc.tuple(
    fc.array(fc.tuple(fc.nat(0x5ff), fc.nat(255)), { maxLength: 12 }),
    fc.option(fc.nat(0x600), { nil: 0x600 }),
  );
  fc.assert(
    fc.property(damaged, ([changes, length]) => {
      const file = executable();
      for (const [at, byte] of changes) file[at] = byte;
      try {
        const section = peSection(file.subarray(0, length), ".cmdline");
        expect(section === null || section.length <= length).toBe(true);
      } catch (error) {
        expect(error).toBeInstanceOf(ComposefsError);
      }
    }),
    { numRuns: 500 },
  );
});
