import { DIGEST_BYTES, type HashName } from "@composefs/reflink";
import fc from "fast-check";
import { objectIdFromBytes } from "../../src/fsverity/object-id.ts";
import {
  type ByteString,
  createDirectory,
  createStat,
  type Directory,
  isWhiteout,
  type Leaf,
  type LeafContent,
  type Stat,
} from "../../src/tree/node.ts";

/** What random trees may hold; what is left out may appear unless the comment says otherwise. */
export interface RandomTreeOptions {
  /** Decides the length of object ids. */
  readonly hash: HashName;
  /** Most directory entries; 25 unless given. */
  readonly maxEntries?: number;
  /** Leaves that stand in several entries (never whiteouts, which may not). */
  readonly hardLinks?: boolean;
  /** Char devices 0:0. */
  readonly whiteouts?: boolean;
  /** Files of kind external-no-verity. */
  readonly noVerity?: boolean;
  /** mtime before 1970; not unless asked for. */
  readonly negativeTimes?: boolean;
  readonly nanoseconds?: boolean;
  /** Xattrs named `trusted.overlay.…` and `user.overlay.…`. */
  readonly overlayXattrs?: boolean;
  /** Largest size of external and sparse files; 2^64-1 unless given. */
  readonly maxSize?: bigint;
  /** Largest device number; 2^32-1 unless given. */
  readonly maxRdev?: bigint;
}

const U32 = 2 ** 32 - 1;

/**
 * Random trees that hold to erofs-image.md §1: names of 1 to 255 bytes, inline content up to 512 bytes, targets of 1
 * to 1024, sparse files not empty. They are made from a list of steps, so shrinking takes entries away one by one.
 * Compare trees with `plainTree`.
 */
export function randomTree(options: RandomTreeOptions): fc.Arbitrary<Directory> {
  const stat = arbitraryStat(options);
  const node = fc.oneof(
    { weight: 3, arbitrary: stat.map((value) => ({ directory: value })) },
    {
      weight: 6,
      arbitrary: fc
        .record({ stat, content: arbitraryContent(options) })
        .filter((leaf) => options.whiteouts !== false || !isWhiteout(leaf))
        .map((leaf) => ({ leaf })),
    },
    ...(options.hardLinks === false ? [] : [{ weight: 2, arbitrary: fc.nat({ max: 1000 }).map((link) => ({ link })) }]),
  );
  const step = fc.tuple(fc.nat({ max: 1000 }), arbitraryName, node);
  return fc.tuple(stat, fc.array(step, { maxLength: options.maxEntries ?? 25 })).map(([rootStat, steps]) => {
    const root = createDirectory(rootStat);
    const directories = [root];
    const leaves: Leaf[] = [];
    for (const [at, name, made] of steps) {
      const parent = directories[at % directories.length] as Directory;
      if (parent.entries.has(name)) continue;
      if ("directory" in made) {
        const child = createDirectory(made.directory);
        directories.push(child);
        parent.entries.set(name, child);
      } else if ("leaf" in made) {
        // A copy: one generated value may be used for several trees, and each inode must be an object of its own.
        const leaf: Leaf = { stat: made.leaf.stat, content: made.leaf.content };
        if (!isWhiteout(leaf)) leaves.push(leaf);
        parent.entries.set(name, leaf);
      } else {
        const leaf = leaves[made.link % Math.max(leaves.length, 1)];
        if (leaf !== undefined) parent.entries.set(name, leaf);
      }
    }
    return root;
  });
}

/** Bytes as a key; `usual` bytes are drawn more often than others. */
function arbitraryBytes(usual: string, minLength: number, maxLength: number, noNul: boolean): fc.Arbitrary<ByteString> {
  const byte = fc.oneof(
    { weight: 5, arbitrary: fc.constantFrom(...usual) },
    { weight: 1, arbitrary: fc.integer({ min: noNul ? 1 : 0, max: 255 }).map((code) => String.fromCharCode(code)) },
  );
  const size = { minLength, maxLength };
  return fc
    .oneof(
      { weight: 9, arbitrary: fc.array(byte, { ...size, maxLength: Math.min(maxLength, Math.max(minLength, 12)) }) },
      { weight: 1, arbitrary: fc.array(byte, { ...size, size: "max" }) },
    )
    .map((bytes) => bytes.join("") as ByteString);
}

const buffer = (text: ByteString): Buffer => Buffer.from(text, "latin1");

/** Few distinct letters, so that names meet; bytes that must be escaped; bytes that sort before `.`. */
const arbitraryName = fc
  .oneof(
    { weight: 4, arbitrary: arbitraryBytes("abAB01.-+!=", 1, 4, true) },
    { weight: 2, arbitrary: arbitraryBytes("ab.-=\\ \n\t\r\x7f\x80\xff", 1, 255, true) },
  )
  .map((name) => {
    const cleaned = name.replaceAll("/", "_");
    return (cleaned === "." || cleaned === ".." ? `${cleaned}x` : cleaned) as ByteString;
  });

function arbitraryStat(options: RandomTreeOptions): fc.Arbitrary<Stat> {
  const id = fc.oneof(fc.constantFrom(0, 1000, 65535, 65536, U32), fc.integer({ min: 0, max: U32 }));
  const least = options.negativeTimes === true ? -(2n ** 63n) : 0n;
  return fc
    .record({
      mode: fc.oneof(fc.constantFrom(0o755, 0o644), fc.integer({ min: 0, max: 0o7777 })),
      uid: id,
      gid: id,
      mtimeSeconds: fc.oneof(
        { weight: 2, arbitrary: fc.constantFrom(0n, 1n, 1700000000n) },
        { weight: 1, arbitrary: fc.bigInt({ min: least, max: 2n ** 63n - 1n }) },
      ),
      mtimeNanoseconds:
        options.nanoseconds === false
          ? fc.constant(0)
          : fc.oneof(fc.constantFrom(0, 5, 999_999_999), fc.integer({ min: 0, max: 999_999_999 })),
      xattrs: arbitraryXattrs(options),
    })
    .map((fields) => createStat(fields));
}

function arbitraryXattrs(options: RandomTreeOptions): fc.Arbitrary<Map<ByteString, Buffer>> {
  const prefixes = ["user.", "trusted.", "security.", "lustre.", "system.posix_acl_", ""];
  if (options.overlayXattrs !== false) prefixes.push("trusted.overlay.", "user.overlay.");
  const name = fc
    .tuple(fc.constantFrom(...prefixes), arbitraryBytes("abc=-\\", 1, 238, true))
    .map(([prefix, rest]) => (prefix + rest) as ByteString)
    .filter((key) => options.overlayXattrs !== false || !/^(trusted|user)\.overlay\./.test(key));
  const known = fc.constantFrom("security.capability", "security.selinux", "user.k") as fc.Arbitrary<ByteString>;
  const value = arbitraryBytes("ab-= \n", 0, 300, false).map(buffer);
  return fc.array(fc.tuple(fc.oneof(known, name), value), { maxLength: 4 }).map((pairs) => new Map(pairs));
}

function arbitraryContent(options: RandomTreeOptions): fc.Arbitrary<LeafContent> {
  const id = fc
    .uint8Array({ minLength: DIGEST_BYTES[options.hash], maxLength: DIGEST_BYTES[options.hash] })
    .map(objectIdFromBytes);
  const size = (min: bigint): fc.Arbitrary<bigint> => {
    const max = options.maxSize ?? 2n ** 64n - 1n;
    const edges = [min, 65n, 4096n, 2n ** 32n - 1n, 2n ** 32n, 2n ** 53n, max].filter((edge) => edge <= max);
    return fc.oneof(fc.constantFrom(...edges), fc.bigInt({ min, max }));
  };
  const maxRdev = options.maxRdev ?? BigInt(U32);
  const rdev = fc.oneof(fc.constantFrom(0n, 1n, 0x103n), fc.bigInt({ min: 0n, max: maxRdev }));
  return fc.oneof(
    arbitraryBytes("ab-=\\ \n", 0, 512, false).map((bytes) => ({ kind: "inline" as const, bytes: buffer(bytes) })),
    fc.record({
      kind:
        options.noVerity === false
          ? fc.constant("external" as const)
          : fc.constantFrom("external" as const, "external-no-verity" as const),
      id,
      size: size(0n),
    }),
    fc.record({ kind: fc.constant("sparse" as const), size: size(1n) }),
    arbitraryBytes("ab-./\\", 1, 1024, true).map((target) => ({ kind: "symlink" as const, target: buffer(target) })),
    fc.record({ kind: fc.constantFrom("char" as const, "block" as const), rdev }),
    fc.record({ kind: fc.constantFrom("fifo" as const, "socket" as const) }),
  );
}
