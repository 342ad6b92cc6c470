import assert from "node:assert/strict";
import { test } from "node:test";
import { costOf } from "../../src/graph/cost.js";
import { evaluate, parametersOf } from "../../src/graph/evaluate.js";
import { gradients } from "../../src/graph/gradient.js";
import { GraphError } from "../../src/graph/graph-error.js";
import { add, exp, mul, sign, stopGradient } from "../../src/graph/ops/elementwise.js";
import { matMul } from "../../src/graph/ops/matmul.js";
import { reduceSum } from "../../src/graph/ops/reduce.js";
import { reshape } from "../../src/graph/ops/structure.js";
import { Params } from "../../src/graph/params.js";
import { mergeEqual } from "../../src/graph/rewrite.js";
import { topologicalOrder } from "../../src/graph/traverse.js";
import { quotient, productOf } from "../../src/graph/type.js";
import { input, scalar } from "../../src/graph/value.js";
import { publishedRamPlus } from "../../src/model/config.js";
import { ramPlus } from "../../src/model/ram-plus.js";
import { float32 } from "../../src/tensor/tensor.js";

const zero = { kind: "constant", value: 0 } as const;

test("symbolic sizes multiply, divide and reshape", () => {
  assert.equal(productOf([3, "batch", 4]), "12*batch");
  assert.equal(quotient("12*batch", 4), "3*batch");
  assert.equal(quotient("12*batch", "batch"), 12);
  assert.throws(() => productOf(["a", "b"]), { code: "symbolic-size" });
  const x = input("x", "float32", ["batch", "tags", 6]);
  assert.deepEqual(reshape(x, ["batch", "tags", 2, 3]).shape, ["batch", "tags", 2, 3]);
  assert.throws(() => reshape(x, ["batch", "tags", 5]), GraphError);
});

test("one name with two shapes is refused, scopes spell names", () => {
  const p = Params.root();
  const value = p.at("layers").at(0).get("weight", [2, 3], zero);
  assert.equal(p.get("layers.0.weight", [2, 3], zero), value);
  assert.throws(() => p.at("layers").get("0.weight", [3, 2], zero), { code: "duplicate-parameter" });
});

test("gradients: shared values accumulate, a stopped gradient is none, a missing rule is named", () => {
  const x = input("x", "float32", [2]);
  const loss = reduceSum(add(mul(x, x), x));
  const [g] = evaluate([gradients(loss, [x])[0]!], new Map([["x", float32([2], [3, -1])]]));
  assert.deepEqual([...(g!.data as Float32Array)], [7, -1]);
  assert.deepEqual(gradients(reduceSum(stopGradient(exp(x))), [x]), [null]);
  assert.throws(() => gradients(reduceSum(sign(x)), [x]), /Sign has no gradient/);
  assert.throws(() => gradients(x, [x]), { code: "shape-mismatch" });
});

test("a chain of a hundred thousand operators is no problem", () => {
  let y = input("x", "float32", []);
  const x = y;
  for (let i = 0; i < 100_000; i++) y = add(y, scalar(0));
  assert.equal(topologicalOrder([y]).length, 200_001);
  assert.ok(gradients(y, [x])[0] !== null);
});

test("equal values are merged", () => {
  const x = input("x", "float32", [2]);
  const [merged] = mergeEqual([add(mul(x, scalar(2)), mul(x, scalar(2)))]);
  assert.equal(merged!.inputs[0], merged!.inputs[1]);
});

test("operands that do not fit are refused when the graph is built", () => {
  assert.throws(() => matMul(input("a", "float32", [2, 3]), input("b", "float32", [4, 2])), /\[2, 3\] times \[4, 2\]/);
  assert.throws(() => add(input("a", "float32", [2]), input("b", "float64", [2])), { code: "dtype-mismatch" });
});

test("the published network has its 329,493,046 values in 367 tensors, and its 322 GFLOP a photo", () => {
  const logits = ramPlus(input("pixel_values", "float32", ["batch", 3, 384, 384]), Params.root(), publishedRamPlus);
  const cost = costOf([logits]);
  assert.equal(cost.parameters, 329_493_046);
  assert.equal(parametersOf([logits]).size, 367);
  assert.ok(Math.abs(cost.operations / 1e9 - 322) < 8, `${cost.operations / 1e9} GFLOP`);
});
