import { syncfs } from "@composefs/reflink";
import { beforeEach, expect, test, vi } from "vitest";
import type { ObjectId, Repository } from "../../src/index.ts";
import { newRepository } from "../support.ts";

vi.mock("@composefs/reflink", async (original) => ({ ...(await original<object>()), syncfs: vi.fn() }));

let repository: Repository;
beforeEach(async () => {
  vi.mocked(syncfs).mockReset();
  repository = await newRepository();
});

const publish = (digit: string) =>
  repository.publish({ streams: [{ contentId: `layer-${digit}`, id: digit.repeat(64) as ObjectId }] });

test("a failure that the kernel tells once is one for both of two at a time, and for those after them", async () => {
  vi.mocked(syncfs).mockImplementationOnce(async () => {
    await new Promise((resolve) => setTimeout(resolve, 50));
    throw new Error("EIO");
  });
  const results = await Promise.allSettled([publish("a"), publish("b")]);
  for (const result of results) expect(result).toMatchObject({ status: "rejected", reason: { code: "SYNC_FAILED" } });
  await expect(publish("c")).rejects.toMatchObject({ code: "SYNC_FAILED" });
  expect(repository.listStreams()).toEqual([]);
  expect(syncfs).toHaveBeenCalledTimes(1);
});

test("what is stored while another sync runs waits for one of its own", async () => {
  const ends: (() => void)[] = [];
  vi.mocked(syncfs).mockImplementation(() => new Promise((resolve) => ends.push(resolve)));
  const first = publish("a");
  await vi.waitUntil(() => ends.length === 1);
  const second = publish("b");
  ends[0]?.();
  await first;
  expect(repository.listStreams()).toEqual(["layer-a"]);
  await vi.waitUntil(() => ends.length === 2);
  ends[1]?.();
  await second;
  expect(repository.listStreams()).toEqual(["layer-a", "layer-b"]);
});

test("a handle that is closed meanwhile names nothing", async () => {
  let end: () => void = () => undefined;
  vi.mocked(syncfs).mockImplementationOnce(
    () =>
      new Promise((resolve) => {
        end = resolve;
      }),
  );
  const publishing = publish("a");
  await vi.waitUntil(() => vi.mocked(syncfs).mock.calls.length === 1);
  await repository.close();
  end();
  await expect(publishing).rejects.toThrow(TypeError);
  await expect(publish("b")).rejects.toThrow(TypeError);
  await expect(repository.objects.put(Buffer.alloc(100), "test")).rejects.toThrow(TypeError);
});
