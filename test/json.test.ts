import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { RamplusError } from "../src/error.js";
import { parseJson, showJson } from "../src/json.js";

test("whatever JSON.stringify writes is read as JSON.parse reads it", () => {
  fc.assert(
    fc.property(fc.jsonValue({ maxDepth: 6 }), fc.constantFrom(0, 2), (value, space) => {
      const text = JSON.stringify(value, null, space);
      assert.deepEqual(parseJson(text), JSON.parse(text));
    }),
    { seed: 20240917, numRuns: 500 },
  );
});

test("braces, brackets and colons within texts do not count", () => {
  const value = { '[[{{":\\"': "[".repeat(1000), "\\": '{"a":1}' };
  assert.deepEqual(parseJson(JSON.stringify(value), 3), value);
});

for (const [what, text, message] of [
  ["nesting over 64", "[".repeat(65) + "]".repeat(65), /nested more than 64 deep/],
  ["more parts than allowed", '[{"a":{}},[]]', /5 lists, objects and fields; at most 4 are read/],
  ["a field twice", '{"a":1,"b":2,"a":3}', /a field occurs twice/],
  ["text that ends early", '{"a":"', /JSON/],
  ["a byte order mark", "\ufeff{}", /JSON/],
] as const) {
  test(`refused: ${what}`, () => assert.throws(() => parseJson(text, 4), (error: unknown) => error instanceof SyntaxError && message.test(error.message)));
}

test("a value is shown short, whatever it is", () => {
  const deep = JSON.parse("[".repeat(100_000) + "]".repeat(100_000));
  const shown = [undefined, null, 1.5, "a", "x".repeat(1000), [0.5, 1], Array.from({ length: 1e6 }, () => 1), { a: 1 }, deep, [[]], { a: {} }].map(showJson);
  assert.deepEqual(shown, ["nothing", "null", "1.5", '"a"', `"${"x".repeat(60)}..."`, "[0.5,1]", "a list of 1000000", '{"a":1}', "a list of 1", "a list of 1", "an object"]);
});

test("a message is cut off, whatever name or value it carries", () => {
  class TestError extends RamplusError {
    readonly code = "test";
  }
  assert.equal(new TestError("short").message, "short");
  assert.equal(new TestError("x".repeat(1e6)).message.length, 10_006);
});
