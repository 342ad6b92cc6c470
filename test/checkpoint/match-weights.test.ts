import assert from "node:assert/strict";
import { test } from "node:test";
import { CheckpointError } from "../../src/checkpoint/checkpoint-error.js";
import { assertWeightsMatch, matchWeights, type WeightListing } from "../../src/checkpoint/match-weights.js";
import { isIgnoredBuffer } from "../../src/checkpoint/published-names.js";
import type { Shape } from "../../src/tensor/shape.js";

const listing: WeightListing = {
  file: "model.pth",
  tensors: new Map([
    ["fc.bias", { dtype: "float32", shape: [2] }],
    ["fc.weight", { dtype: "float16", shape: [1, 48] }],
    ["extra", { dtype: "float32", shape: [3] }],
    ["indices", { dtype: "int64", shape: [3] }],
    ["layers.0.attn.relative_position_index", { dtype: "int64", shape: [4, 4] }],
    ["layers.0.attn_mask", { dtype: "float32", shape: [4, 4] }],
    ["text_decoder.bias", { dtype: "float32", shape: [4] }],
  ]),
};
const expected = new Map<string, Shape>([["fc.weight", [1, 48]], ["fc.bias", [1]], ["image_proj.bias", [512]], ["indices", [3]]]);

test("all faults are reported at once, both ways", () => {
  assert.deepEqual(matchWeights(listing, expected, { ignore: isIgnoredBuffer }), [
    { code: "wrong-shape", tensor: "fc.bias", expected: [1], actual: [2] },
    { code: "missing-tensor", tensor: "image_proj.bias", expected: [512] },
    { code: "wrong-dtype", tensor: "indices", actual: "int64" },
    { code: "unexpected-tensor", tensor: "extra", actual: [3] },
  ]);
  assert.throws(() => assertWeightsMatch(listing, expected, { ignore: isIgnoredBuffer }), (error: unknown) => {
    assert.ok(error instanceof CheckpointError);
    assert.equal(error.faults.length, 4);
    assert.equal(error.code, "wrong-shape");
    assert.match(error.message, /^model\.pth: 4 faults\n {2}tensor fc\.bias: expected shape \[1\], received \[2\]\n/);
    return true;
  });
});

test("without leave, buffers are unexpected", () => {
  assert.equal(matchWeights(listing, expected).length, 7);
});

test("a file that fits passes", () => {
  assertWeightsMatch({ file: "a", tensors: new Map([["w", { dtype: "bfloat16", shape: [] }]]) }, new Map([["w", []]]));
});

test("a long list of faults is cut in the message, not in the error", () => {
  const many = new Map(Array.from({ length: 300 }, (_, i) => [`w${i}`, [1]] as const));
  assert.throws(() => assertWeightsMatch({ file: "a", tensors: new Map() }, many), (error: unknown) => error instanceof CheckpointError && error.faults.length === 300 && error.message.endsWith("and 280 more"));
});

test("a single fault reads as one line", () => {
  assert.equal(new CheckpointError("model.pth", { code: "wrong-shape", tensor: "fc.bias", expected: [1], actual: [2] }).message, "model.pth: tensor fc.bias: expected shape [1], received [2]");
});
