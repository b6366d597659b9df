import { expect, test } from "vitest";
import { collectBootEntries } from "../../src/boot/collect-boot-entries.ts";
import { parseDumpfileBytes } from "../../src/dumpfile/parse.ts";
import { codeOf } from "../support.ts";

const ID = "1c436d1c7740143ef811f2e6f1e86ef7db463095aa218ada3fb4c88732397ee6";
const MEBIBYTE = Buffer.alloc(2 ** 20, "# text\n");

const tree = (entries: number) => {
  const directory = (path: string): string => `${path} 0 40755 2 0 0 0 0.0 - - -`;
  const conf = (i: number): string =>
    `/boot/loader/entries/${i}.conf ${MEBIBYTE.length} 100644 1 0 0 0 0.0 ${ID.slice(0, 2)}/${ID.slice(2)} - ${ID}`;
  const lines = [
    ...["/", "/boot", "/boot/loader", "/boot/loader/entries"].map(directory),
    ...Array.from({ length: entries }, (_, i) => conf(i)),
  ];
  return parseDumpfileBytes(Buffer.from(`${lines.join("\n")}\n`), { hash: "sha256" });
};

test("a thousand names of one large entry are not all read", async () => {
  let read = 0;
  const readObject = async (): Promise<Uint8Array> => {
    read++;
    return MEBIBYTE;
  };
  expect(await collectBootEntries(tree(16), readObject)).toHaveLength(16);
  read = 0;
  expect(await codeOf(() => collectBootEntries(tree(1000), readObject))).toBe("BOOT_ENTRY_INVALID");
  expect(read).toBe(17);
});
