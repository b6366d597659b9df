import { expect, test } from "vitest";
import { mapArguments, subordinateIds } from "../../src/proxy/subordinate-ids.ts";

const FILE = `
# a comment
alice:100000:65536
bob:165536:65536
1001:300000:1000
alice:500000:10
alice:x:10
alice:700000:0
alice:1:2:3
:1:2
`;

test.each([
  [
    ["alice", "1000"],
    [
      [100000, 65536],
      [500000, 10],
    ],
  ],
  [["carol", "1001"], [[300000, 1000]]],
  [["bob", "100"], [[165536, 65536]]],
  [["nobody", "65534"], []],
])("ranges of %j", (user, ranges) => {
  expect(subordinateIds(FILE, user).map(({ start, count }) => [start, count])).toEqual(ranges);
});

test("the map podman makes: the user is root, the ranges follow without a gap", () => {
  // `podman unshare cat /proc/self/uid_map` of a user 1001 with one range shows "0 1001 1" and "1 100000 65536".
  expect(mapArguments(42, 1001, [{ start: 100000, count: 65536 }])).toEqual("42 0 1001 1 1 100000 65536".split(" "));
  const two = [
    { start: 100000, count: 65536 },
    { start: 500000, count: 10 },
  ];
  expect(mapArguments(42, 1001, two)).toEqual("42 0 1001 1 1 100000 65536 65537 500000 10".split(" "));
});
