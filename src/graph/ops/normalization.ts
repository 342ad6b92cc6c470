import { allocate } from "../../tensor/dtype.js";
import type { Tensor } from "../../tensor/tensor.js";
import { GraphError } from "../graph-error.js";
import { sizeOf } from "../type.js";
import { apply, scalar, type Op, type Value } from "../value.js";
import { add, commonDType, div, mul, sqrt, sub } from "./elementwise.js";
import { reduceMean, reduceSum } from "./reduce.js";

/**
 * Layer normalisation over the last axis; Ba, Kiros & Hinton 2016. With x̂ = (x - mean) / std and g = dy * scale:
 * dx = (g - mean(g) - x̂ mean(g x̂)) / std.
 */
const LayerNormalization: Op<{ axis: number; epsilon: number }> = {
  name: "LayerNormalization",
  type: ([x, scale, bias], { axis }) => {
    commonDType("LayerNormalization", [x!, scale!, bias!]);
    const width = x!.shape[x!.shape.length - 1];
    if (axis !== -1 || [scale!, bias!].some((t) => t.shape.length !== 1 || t.shape[0] !== width)) {
      throw new GraphError("shape-mismatch", `LayerNormalization: scale and bias must be [${width}]`);
    }
    return x!;
  },
  grad: (dy, [x, scale], { epsilon }) => {
    const last = [x!.rank - 1];
    const keep = { keepDims: true };
    const centred = sub(x!, reduceMean(x!, last, keep));
    const deviation = sqrt(add(reduceMean(mul(centred, centred), last, keep), scalar(epsilon, x!.dtype)));
    const unit = div(centred, deviation);
    const g = mul(dy, scale!);
    const inner = sub(sub(g, reduceMean(g, last, keep)), mul(unit, reduceMean(mul(g, unit), last, keep)));
    const rows = x!.shape.slice(0, -1).map((_, axis) => axis);
    return [div(inner, deviation), reduceSum(mul(dy, unit), rows), reduceSum(dy, rows)];
  },
  evaluate: ([x, scale, bias], { epsilon }, { dtype, shape }) => {
    const width = shape[shape.length - 1]!;
    const out = allocate(dtype, x!.data.length) as Float64Array;
    const data = x!.data as Float64Array;
    for (let start = 0; start < out.length; start += width) {
      const row = data.subarray(start, start + width);
      let mean = 0;
      for (const v of row) mean += v / width;
      let variance = 0;
      for (const v of row) variance += (v - mean) ** 2 / width;
      const deviation = Math.sqrt(variance + epsilon);
      for (let i = 0; i < width; i++) out[start + i] = ((row[i]! - mean) / deviation) * Number(scale!.data[i]) + Number(bias!.data[i]);
    }
    return { dtype, shape, data: out } as Tensor;
  },
  operations: (_i, y) => 8 * sizeOf(y.shape),
};

/** Normalises the last axis to mean 0 and variance 1, then scales and shifts it. */
export function layerNormalization(x: Value, scale: Value, bias: Value, epsilon: number): Value {
  return apply(LayerNormalization, [x, scale, bias], { axis: -1, epsilon });
}

/** Softmax over the last axis. */
const Softmax: Op<{ axis: number }> = {
  name: "Softmax",
  type: ([x], { axis }) => {
    if (axis !== -1) throw new GraphError("bad-attribute", `Softmax: axis ${axis}, only -1 is supported`);
    return x!;
  },
  grad: (dy, [x], _a, y) => {
    const weighted = mul(dy, y);
    return [sub(weighted, mul(y, reduceSum(weighted, [x!.rank - 1], { keepDims: true })))];
  },
  evaluate: ([x], _a, { dtype, shape }) => {
    const width = shape[shape.length - 1]!;
    const out = allocate(dtype, x!.data.length) as Float64Array;
    const data = x!.data as Float64Array;
    for (let start = 0; start < out.length; start += width) {
      const row = data.subarray(start, start + width);
      const top = row.reduce((m, v) => Math.max(m, v), -Infinity);
      const powers = Float64Array.from(row, (v) => Math.exp(v - top));
      const sum = powers.reduce((s, v) => s + v, 0);
      for (let i = 0; i < width; i++) out[start + i] = powers[i]! / sum;
    }
    return { dtype, shape, data: out } as Tensor;
  },
  operations: (_i, y) => 5 * sizeOf(y.shape),
};

/** exp(x) divided by its sum over the last axis. */
export function softmax(x: Value): Value {
  return apply(Softmax, [x], { axis: -1 });
}

export const normalizationOps = [LayerNormalization, Softmax] as unknown as readonly Op[];
