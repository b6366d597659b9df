import fc from "fast-check";
import { expect, test } from "vitest";
import type { ObjectId } from "../../src/fsverity/object-id.ts";
import { checkRepository } from "../../src/repository/fsck.ts";
import { ScratchRepository } from "./scratch-repository.ts";

interface Node {
  readonly kind: "object" | "image" | "stream";
  /** Whether a stream has an entry. */
  readonly named: boolean;
  /** Whether a ref points to the entry. */
  readonly rooted: boolean;
  /** Nodes before this one: contents, and for streams named references. */
  readonly objects: readonly number[];
  readonly refs: readonly number[];
}

const node = fc.record<Node>({
  kind: fc.constantFrom("object", "object", "image", "stream", "stream"),
  named: fc.boolean(),
  rooted: fc.boolean(),
  objects: fc.array(fc.nat(), { maxLength: 4 }),
  refs: fc.array(fc.nat(), { maxLength: 3 }),
});

/** What repository.md §5 says stays: by plain recursion over the nodes instead of files. */
function modelLive(nodes: readonly Node[], extra: readonly number[]): Set<number> {
  const live = new Set<number>();
  const seen = new Set<number>();
  const before = (i: number, list: readonly number[]): number[] => (i === 0 ? [] : list.map((n) => n % i));
  const follow = (i: number): void => {
    if (seen.has(i)) return;
    seen.add(i);
    live.add(i);
    const { kind, objects, refs } = nodes[i] as Node;
    for (const target of before(i, objects)) live.add(target);
    if (kind !== "stream") return;
    for (const target of before(i, refs)) {
      live.add(target);
      const found = nodes[target] as Node;
      if (found.kind === "stream" && found.named) follow(target);
    }
  };
  nodes.forEach(({ kind, named, rooted }, i) => {
    const entry = kind === "image" || (kind === "stream" && named);
    if (entry && (rooted || extra.includes(i))) follow(i);
  });
  return live;
}

test("gc keeps exactly what the model says, says so before, and leaves a clean repository", async () => {
  const repositories = fc.record({
    nodes: fc.array(node, { minLength: 1, maxLength: 14 }),
    extra: fc.array(fc.nat(13), { maxLength: 2 }),
  });
  await fc.assert(
    fc.asyncProperty(repositories, async ({ nodes, extra }) => {
      const repo = new ScratchRepository();
      const ids: ObjectId[] = [];
      const roots: string[] = [];
      nodes.forEach(({ kind, named, rooted, objects, refs }, i) => {
        const pick = (list: readonly number[]): ObjectId[] => (i === 0 ? [] : list.map((n) => ids[n % i] as ObjectId));
        const unique = repo.put(`node ${i}`);
        if (kind === "object") {
          ids.push(unique);
          return;
        }
        repo.remove(repo.objectPath(unique));
        if (kind === "image") {
          const id = repo.putImage([...pick(objects), `${i}`.padStart(64, "0") as ObjectId]);
          ids.push(id);
          if (rooted) repo.ref("images", `deep/ref-${i}`, id);
          if (extra.includes(i)) roots.push(id);
          return;
        }
        const named_refs = Object.fromEntries(pick(refs).map((id, n) => [`ref ${n}`, id]));
        ids.push(repo.putStream(named ? `stream-${i}` : null, pick(objects), named_refs));
        if (named && rooted) repo.ref("streams", `ref-${i}`, `stream-${i}`);
        if (named && extra.includes(i)) roots.push(`stream-${i}`);
      });
      const live = [...modelLive(nodes, extra)].map((i) => ids[i] as string);
      const said = await repo.gc({ roots, dryRun: true });
      const result = await repo.gc({ roots });
      expect(result).toEqual({ ...said, dryRun: false });
      expect(result.problems).toEqual([]);
      expect(repo.objects()).toEqual([...new Set(live)].sort());
      const { findings } = await checkRepository(repo.context);
      expect(findings.filter(({ kind }) => !/missing/.test(kind))).toEqual([]);
      expect((await repo.gc({ roots })).objectsRemoved).toBe(0);
      repo.dispose();
    }),
    { numRuns: 150 },
  );
}, 120_000);
