import { expect, test } from "vitest";
import { formatError } from "../../src/render/error.ts";

const coded = (message: string, code: string, hint?: string, cause?: unknown): Error =>
  Object.assign(new Error(message, { cause }), { code, hint });

// Shapes of cli.md §1.1; code and hint are ours.
test.each<[string, unknown, string]>([
  ["plain", new Error("it broke"), "Error: it broke\n"],
  ["coded", coded("it broke", "BROKEN"), "Error: it broke [BROKEN]\n"],
  ["with a hint", coded("it broke", "BROKEN", "mend it"), "Error: it broke [BROKEN]\nHint: mend it\n"],
  ["one cause", new Error("a", { cause: new Error("b") }), "Error: a\n\nCaused by:\n    b\n"],
  [
    "several causes",
    coded("a", "A", "h", new Error("b", { cause: new Error("c", { cause: new Error("d") }) })),
    "Error: a [A]\nHint: h\n\nCaused by:\n    0: b\n    1: c\n    2: d\n",
  ],
  [
    "a cause that says the same",
    new Error("cannot read: EIO", { cause: new Error("EIO") }),
    "Error: cannot read: EIO\n",
  ],
  [
    "a cause that says the same, then another",
    new Error("x: y", { cause: new Error("y", { cause: new Error("z") }) }),
    "Error: x: y\n\nCaused by:\n    z\n",
  ],
  ["a cause that is text", new Error("a", { cause: "b" }), "Error: a\n\nCaused by:\n    b\n"],
  [
    "of the kernel",
    coded("ENOSPC: no space left on device, write 'layer x'", "ENOSPC"),
    "Error: ENOSPC: no space left on device, write 'layer x' [ENOSPC]\nHint: make room and run the command again: what was stored already is used\n",
  ],
  ["text", "it broke", "Error: it broke\n"],
  ["nothing", undefined, "Error: undefined\n"],
  ["null", null, "Error: null\n"],
  ["a number for a code", Object.assign(new Error("a"), { code: 5 }), "Error: a\n"],
  [
    "control characters",
    coded("a\u001b[2J\n\u007f\u009b", "A", "h\r", new Error("c\u0000")),
    "Error: a\\x1b[2J\\x0a\\x7f\\x9b [A]\nHint: h\\x0d\n\nCaused by:\n    c\\x00\n",
  ],
])("%s", (_, error, expected) => expect(formatError(error)).toBe(expected));

test("causes that go in a circle end", () => {
  const [a, b] = [new Error("a"), new Error("b")];
  a.cause = b;
  b.cause = a;
  expect(formatError(a)).toBe("Error: a\n\nCaused by:\n    b\n");
});

test("megabytes of text from elsewhere are cut", () => {
  const long = "z".repeat(5_000_000);
  expect(formatError(coded(long, "A", long, new Error(`b${long}`))).length).toBeLessThan(30_000);
});
