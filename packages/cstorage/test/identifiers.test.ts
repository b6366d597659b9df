import { expect, test } from "vitest";
import { isDigest, isLinkName, isStoreId, layerIdOfLinkTarget } from "../src/identifiers.ts";

const ID = "0123456789abcdef".repeat(4);
const LINK = "ABCDEFGHIJKLMNOPQRSTUVWX27";

test.each<[text: string, is: boolean]>([
  [ID, true],
  [ID.slice(1), false],
  [`${ID}0`, false],
  [`${ID}\n`, false],
  [ID.toUpperCase(), false],
  [`../${ID.slice(3)}`, false],
])("store id %j: %s", (text, is) => expect(isStoreId(text)).toBe(is));

test.each<[text: string, is: boolean]>([
  [LINK, true],
  [`${LINK}\n`, false],
  [LINK.slice(1), false],
  [LINK.replace("2", "1"), false],
  [LINK.toLowerCase(), false],
])("link name %j: %s", (text, is) => expect(isLinkName(text)).toBe(is));

test.each<[text: string, id: string | null]>([
  [`../${ID}/diff`, ID],
  [`../${ID}/diff/`, null],
  [`../${ID}/diff\n`, null],
  [`../../${ID}/diff`, null],
  [`/x/../${ID}/diff`, null],
  [`../${ID}/../diff`, null],
  [`${ID}/diff`, null],
])("link target %j: %s", (text, id) => expect(layerIdOfLinkTarget(text)).toBe(id));

test.each<[text: string, is: boolean]>([
  [`sha256:${"a".repeat(64)}`, true],
  [`sha384:${"a".repeat(96)}`, true],
  [`sha512:${"a".repeat(128)}`, true],
  [`sha256:${"a".repeat(63)}`, false],
  [`sha256:${"A".repeat(64)}`, false],
  [`md5:${"a".repeat(32)}`, false],
  ["a".repeat(64), false],
])("digest %j: %s", (text, is) => expect(isDigest(text)).toBe(is));
