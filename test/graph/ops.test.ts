import assert from "node:assert/strict";
import { test } from "node:test";
import * as ort from "onnxruntime-node";
import { evaluate } from "../../src/graph/evaluate.js";
import { gradients } from "../../src/graph/gradient.js";
import { allOps } from "../../src/graph/ops/all.js";
import * as e from "../../src/graph/ops/elementwise.js";
import { conv } from "../../src/graph/ops/conv.js";
import { gather, scatterAdd } from "../../src/graph/ops/gather.js";
import { matMul } from "../../src/graph/ops/matmul.js";
import { layerNormalization, softmax } from "../../src/graph/ops/normalization.js";
import { dequantizeLinear, matMulInteger, matMulNBits } from "../../src/graph/ops/quantized.js";
import { reduceMax, reduceMean, reduceSum } from "../../src/graph/ops/reduce.js";
import { concat, expand, pad, reshape, roll, slice, transpose } from "../../src/graph/ops/structure.js";
import { topologicalOrder } from "../../src/graph/traverse.js";
import { apply, constant, input, scalar, type Op, type Value } from "../../src/graph/value.js";
import { encodeOnnx } from "../../src/onnx/write-onnx.js";
import { castTensor } from "../../src/tensor/cast.js";
import type { DType } from "../../src/tensor/dtype.js";
import { elementCount } from "../../src/tensor/shape.js";
import { float32, int64, zeros, type Tensor } from "../../src/tensor/tensor.js";
import { randomTensor, testRandom } from "./random-tensor.js";

interface Case {
  readonly name: string;
  readonly shapes: readonly (readonly number[])[];
  readonly build: (...x: Value[]) => Value;
  /** @default [-1, 1] */
  readonly range?: readonly [number, number];
  /** Inputs whose gradient is checked. @default all */
  readonly gradient?: readonly number[];
  /** Largest difference between float32 in ONNX Runtime and the definition. @default 2e-5 */
  readonly tolerance?: number;
}

const positive: readonly [number, number] = [0.2, 2];
const ids = constant(int64([3], [2, 0, 2]));
const convOp = (attributes: { group: number; strides: number[]; dilations: number[]; pads: number[] }) => (x: Value, w: Value) => apply(conv(x, w, { group: attributes.group, pads: [9, 9, 9, 9] }).op as Op, [x, w], attributes);

const cases: readonly Case[] = [
  ...[e.neg, e.exp, e.abs, e.sigmoid, e.tanh, e.erfOf, e.gelu, e.relu].map((f): Case => ({ name: f(scalar(1)).op!.name, shapes: [[3, 4]], build: f })),
  ...[e.log, e.sqrt, e.reciprocal].map((f): Case => ({ name: f(scalar(1)).op!.name, shapes: [[3, 4]], build: f, range: positive })),
  ...[e.add, e.sub, e.mul, e.div, e.max, e.min].map((f): Case => ({ name: `${f(scalar(1), scalar(1)).op!.name} with broadcasting`, shapes: [[2, 3, 4], [3, 1]], build: f, range: positive })),
  { name: "Sign", shapes: [[5]], build: e.sign, gradient: [] },
  { name: "Pow", shapes: [[6], [6]], build: e.pow, range: positive, gradient: [0] },
  { name: "Clip", shapes: [[4, 5]], build: (x) => e.clip(x, { min: -0.3, max: 0.5 }) },
  ...[e.greater, e.greaterOrEqual, e.less, e.equal].map((f): Case => ({ name: f(scalar(1), scalar(1)).op!.name, shapes: [[4, 5], [5]], build: (a, b) => e.cast(f(a, b), a.dtype), gradient: [] })),
  { name: "Where and And", shapes: [[4, 5], [5]], build: (a, b) => e.where(apply(e.And, [e.greater(a, b), e.less(a, e.mul(b, b))], {}), a, b) },
  { name: "Identity as stopGradient", shapes: [[4]], build: (x) => e.mul(e.stopGradient(x), x), gradient: [] },
  { name: "ReduceSum", shapes: [[2, 3, 4]], build: (x) => reduceSum(x, [0, 2]) },
  { name: "ReduceMean with kept axes", shapes: [[2, 3, 4]], build: (x) => reduceMean(x, [1], { keepDims: true }) },
  { name: "ReduceMax", shapes: [[2, 3, 4]], build: (x) => reduceMax(x, [-1]) },
  { name: "MatMul of a batch with a matrix", shapes: [[2, 3, 4], [4, 5]], build: (a, b) => matMul(a, b) },
  { name: "MatMul with broadcasting", shapes: [[2, 1, 3, 4], [5, 4, 2]], build: (a, b) => matMul(a, b) },
  { name: "FusedMatMul, first transposed", shapes: [[2, 4, 3], [2, 4, 5]], build: (a, b) => matMul(a, b, { transA: true }) },
  { name: "FusedMatMul, second transposed, factor", shapes: [[2, 3, 4], [5, 4]], build: (a, b) => matMul(a, b, { transB: true, alpha: 0.5 }) },
  { name: "FusedMatMul, both transposed", shapes: [[4, 3], [5, 4]], build: (a, b) => matMul(a, b, { transA: true, transB: true }) },
  { name: "Reshape", shapes: [[2, 6]], build: (x) => reshape(x, [3, 4]) },
  { name: "Transpose", shapes: [[2, 3, 4]], build: (x) => transpose(x, [2, 0, 1]) },
  { name: "Expand", shapes: [[3, 1]], build: (x) => expand(x, [2, 3, 4]) },
  { name: "Concat", shapes: [[2, 3], [2, 2]], build: (a, b) => concat([a, b, a], 1) },
  { name: "Slice", shapes: [[4, 5]], build: (x) => slice(x, 1, 1, 4) },
  { name: "Slice with a step", shapes: [[4, 5]], build: (x) => slice(x, 0, 1, 4, 2), gradient: [] },
  { name: "Pad", shapes: [[2, 3]], build: (x) => pad(x, [1, 0], [0, 2]) },
  { name: "roll", shapes: [[2, 5]], build: (x) => roll(x, 1, 2) },
  { name: "Gather", shapes: [[4, 3]], build: (x) => gather(x, ids) },
  { name: "ScatterND", shapes: [[3, 2]], build: (x) => scatterAdd(ids, x, [4, 2]) },
  { name: "LayerNormalization", shapes: [[3, 6], [6], [6]], build: (x, s, b) => layerNormalization(x, s, b, 1e-5) },
  { name: "Softmax", shapes: [[3, 6]], build: softmax },
  { name: "Cast", shapes: [[3]], build: (x) => e.cast(e.cast(e.mul(x, scalar(9, x.dtype)), "int32"), x.dtype), gradient: [] },
  { name: "Conv 3x3", shapes: [[2, 3, 5, 6], [4, 3, 3, 3]], build: (x, w) => conv(x, w, { pads: [1, 1, 1, 1] }) },
  { name: "Conv 1x1", shapes: [[2, 3, 4, 4], [5, 3, 1, 1]], build: (x, w) => conv(x, w) },
  { name: "Conv stride 2, asymmetric pads", shapes: [[2, 3, 6, 6], [4, 3, 3, 3]], build: (x, w) => conv(x, w, { stride: 2, pads: [0, 0, 1, 1] }) },
  { name: "Conv in 2 groups", shapes: [[2, 4, 5, 5], [6, 2, 3, 3]], build: (x, w) => conv(x, w, { group: 2, pads: [1, 1, 1, 1] }) },
  { name: "Conv depthwise", shapes: [[2, 4, 5, 5], [4, 1, 3, 3]], build: (x, w) => conv(x, w, { group: 4, pads: [1, 1, 1, 1] }) },
  { name: "Conv depthwise, stride 2, asymmetric pads", shapes: [[2, 4, 6, 6], [4, 1, 3, 3]], build: (x, w) => conv(x, w, { group: 4, stride: 2, pads: [0, 0, 1, 1] }) },
  { name: "Conv dilated, uneven", shapes: [[1, 2, 7, 9], [2, 2, 3, 2]], build: convOp({ group: 1, strides: [2, 1], dilations: [2, 3], pads: [1, 0, 2, 1] }) },
  { name: "DequantizeLinear", shapes: [[3, 4]], build: (x) => e.mul(x, e.cast(dequantizeLinear(bytes([3, 4]), scales(3), bytes([3]), 0), x.dtype)), gradient: [] },
  // ONNX Runtime may round the blocks' products in another order.
  { name: "MatMulNBits", shapes: [[2, 3, 40]], build: (x) => e.cast(matMulNBits(e.cast(x, "float32"), bytes([5, 2, 32]), scales(10)), x.dtype), gradient: [], tolerance: 1e-4 },
  { name: "MatMulInteger", shapes: [[2, 3, 4]], build: (x) => e.cast(matMulInteger(e.cast(x, "uint8"), signedBytes([4, 5]), bytes([])), x.dtype), range: [0, 255], gradient: [] },
  { name: "ConvTranspose", shapes: [[2, 3, 3, 3], [3, 2, 3, 3]], build: (dy, w) => gradientOfConv(dy, constant(zeros(dy.dtype, [2, 2, 6, 6])), w) },
];

/** Bytes over their whole range, in the same order each time. */
function bytes(shape: readonly number[]): Value {
  return constant({ dtype: "uint8", shape, data: Uint8Array.from({ length: elementCount(shape) }, (_, i) => (i * 89 + 113) % 256) });
}

function signedBytes(shape: readonly number[]): Value {
  return constant({ dtype: "int8", shape, data: Int8Array.from({ length: elementCount(shape) }, (_, i) => ((i * 37) % 128) - 64) });
}

function scales(count: number): Value {
  return constant(float32([count], Array.from({ length: count }, (_, i) => 0.01 * (1 + i))));
}

/** Conv's data gradient at stride 2, which is a ConvTranspose. */
function gradientOfConv(dy: Value, x: Value, w: Value): Value {
  const y = conv(x, w, { stride: 2, pads: [0, 0, 1, 1] });
  return gradients(reduceSum(e.mul(y, dy)), [x])[0]!;
}

function feeds(c: Case, dtype: DType): Map<string, Tensor> {
  const random = testRandom(c.name.length * 7919 + 1);
  const [low, high] = c.range ?? [-1, 1];
  return new Map(c.shapes.map((shape, i) => [`x${i}`, castTensor(castTensor(randomTensor(random, "float64", shape, low, high), "float32"), dtype)]));
}

const build = (c: Case, dtype: DType): { leaves: Value[]; y: Value } => {
  const leaves = c.shapes.map((shape, i) => input(`x${i}`, dtype, shape));
  return { leaves, y: c.build(...leaves) };
};

for (const c of cases) {
  test(`${c.name}: the definition equals ONNX Runtime`, async () => {
    const { y } = build(c, "float32");
    const data = feeds(c, "float32");
    const [expected] = evaluate([y], data);
    const session = await ort.InferenceSession.create(await encodeOnnx({ y }), { logSeverityLevel: 3, intraOpNumThreads: 1 });
    const used = new Map([...data].filter(([name]) => session.inputNames.includes(name)));
    const result = await session.run(Object.fromEntries([...used].map(([name, t]) => [name, new ort.Tensor("float32", t.data as Float32Array, t.shape as number[])])));
    assert.deepEqual([...result["y"]!.dims], expected!.shape);
    const actual = result["y"]!.data as Float32Array;
    expected!.data.forEach((v, i) => assert.ok(Math.abs(Number(v) - actual[i]!) <= (c.tolerance ?? 2e-5) * (1 + Math.abs(Number(v))), `element ${i}: ${v} and ${actual[i]}`));
    await session.release();
  });

  const wanted = c.gradient ?? c.shapes.map((_, i) => i);
  if (wanted.length === 0) continue;
  test(`${c.name}: the gradient equals a central difference`, () => {
    const { leaves, y } = build(c, "float64");
    const data = feeds(c, "float64");
    const random = testRandom(99);
    const weight = constant(randomTensor(random, "float64", y.shape as number[]));
    const loss = reduceSum(e.mul(y, weight));
    const analytic = gradients(
      loss,
      wanted.map((i) => leaves[i]!),
    );
    const tensors = evaluate(
      analytic.map((g, i) => g ?? e.mul(leaves[wanted[i]!]!, scalar(0, "float64"))),
      data,
    );
    wanted.forEach((which, at) => {
      const x = data.get(`x${which}`)!;
      const direction = randomTensor(random, "float64", x.shape);
      const step = 1e-5;
      const moved = (sign: number): number => {
        const shifted = { ...x, data: (x.data as Float64Array).map((v, i) => v + sign * step * Number(direction.data[i])) } as Tensor;
        return Number(evaluate([loss], new Map([...data, [`x${which}`, shifted]]))[0]!.data[0]);
      };
      const numeric = (moved(1) - moved(-1)) / (2 * step);
      const exact = (tensors[at]!.data as Float64Array).reduce((sum, v, i) => sum + v * Number(direction.data[i]), 0);
      assert.deepEqual(tensors[at]!.shape, x.shape);
      assert.ok(Math.abs(numeric - exact) <= 1e-6 * (1 + Math.abs(exact)), `input ${which}: ${numeric} and ${exact}`);
    });
  });
}

test("every operator has a row", () => {
  const seen = new Set<Op>();
  for (const c of cases) {
    const { y, leaves } = build(c, "float64");
    const loss = reduceSum(y);
    const flows = c.gradient?.length === 0 ? [] : gradients(loss, leaves).filter((g) => g !== null);
    for (const value of topologicalOrder([y, ...flows])) if (value.op) seen.add(value.op);
  }
  assert.deepEqual(
    allOps.filter((op) => !seen.has(op)).map((op) => op.name),
    [],
  );
});
