import { allocate } from "../../tensor/dtype.js";
import { elementCount, rowMajorStrides } from "../../tensor/shape.js";
import type { Tensor } from "../../tensor/tensor.js";
import { GraphError } from "../graph-error.js";
import { sizeOf, staticShape, type Dims, type ValueType } from "../type.js";
import { apply, scalar, type Op, type Value } from "../value.js";
import { stridedOffsets } from "./broadcast.js";
import { cast, div, equal, mul } from "./elementwise.js";
import { expand, reshape } from "./structure.js";

type ReduceAttributes = { axes: readonly number[]; keepdims: number };

function reducedShape(shape: Dims, { axes, keepdims }: ReduceAttributes): Dims {
  return keepdims ? shape.map((dim, axis) => (axes.includes(axis) ? 1 : dim)) : shape.filter((_, axis) => !axes.includes(axis));
}

function reduceType(name: string) {
  return ([x]: readonly ValueType[], attributes: ReduceAttributes): ValueType => {
    if (attributes.axes.some((axis) => !(axis >= 0 && axis < x!.shape.length))) throw new GraphError("bad-attribute", `${name}: axes ${attributes.axes.join()} of rank ${x!.shape.length}`);
    return { dtype: x!.dtype, shape: reducedShape(x!.shape, attributes) };
  };
}

function fold(x: Tensor, { axes }: ReduceAttributes, shape: readonly number[], start: number, f: (sum: number, v: number) => number): Float64Array {
  const kept = rowMajorStrides(x.shape.map((size, axis) => (axes.includes(axis) ? 1 : size)));
  const at = stridedOffsets(
    x.shape,
    kept.map((stride, axis) => (axes.includes(axis) ? 0 : stride)),
  );
  const out = new Float64Array(elementCount(shape)).fill(start);
  for (let i = 0; i < at.length; i++) out[at[i]!] = f(out[at[i]!]!, Number(x.data[i]));
  return out;
}

function toTensor(values: Float64Array, dtype: Tensor["dtype"], shape: readonly number[]): Tensor {
  const data = allocate(dtype, values.length) as Float64Array;
  data.set(values);
  return { dtype, shape, data } as Tensor;
}

/** `dy` with the reduced axes back as size 1, so that it broadcasts over `x`. */
function restored(dy: Value, x: Value, axes: readonly number[]): Value {
  return reshape(
    dy,
    x.shape.map((dim, axis) => (axes.includes(axis) ? 1 : dim)),
  );
}

const spread = (dy: Value, x: Value, axes: readonly number[]): Value => expand(restored(dy, x, axes), staticShape(x.shape, "gradient of a reduction"));

const count = (x: Value, axes: readonly number[]): number => sizeOf(axes.map((axis) => x.shape[axis]!));

export const ReduceSum: Op<ReduceAttributes> = {
  name: "ReduceSum",
  operands: { axes: "int64" },
  type: reduceType("ReduceSum"),
  grad: (dy, [x], { axes }) => [spread(dy, x!, axes)],
  evaluate: ([x], attributes, { dtype, shape }) => toTensor(fold(x!, attributes, shape, 0, (s, v) => s + v), dtype, shape),
  operations: ([x]) => sizeOf(x!.shape),
};

export const ReduceMean: Op<ReduceAttributes> = {
  name: "ReduceMean",
  operands: { axes: "int64" },
  type: reduceType("ReduceMean"),
  grad: (dy, [x], { axes }) => [spread(div(dy, scalar(count(x!, axes), dy.dtype)), x!, axes)],
  evaluate: ([x], attributes, { dtype, shape }) => {
    const n = attributes.axes.reduce((product, axis) => product * x!.shape[axis]!, 1);
    return toTensor(
      fold(x!, attributes, shape, 0, (s, v) => s + v).map((v) => v / n),
      dtype,
      shape,
    );
  },
  operations: ([x]) => sizeOf(x!.shape),
};

/** Largest element; where several are equal each takes the gradient. */
export const ReduceMax: Op<ReduceAttributes> = {
  name: "ReduceMax",
  operands: { axes: "int64" },
  type: reduceType("ReduceMax"),
  grad: (dy, [x], { axes }, y) => [mul(restored(dy, x!, axes), cast(equal(x!, restored(y, x!, axes)), x!.dtype))],
  evaluate: ([x], attributes, { dtype, shape }) => toTensor(fold(x!, attributes, shape, -Infinity, Math.max), dtype, shape),
  operations: ([x]) => sizeOf(x!.shape),
};

interface ReduceOptions {
  /** Keep the reduced axes as size 1. @default false */
  readonly keepDims?: boolean;
}

function reduction(op: Op<ReduceAttributes>) {
  return (x: Value, axes: readonly number[] = x.shape.map((_, axis) => axis), options: ReduceOptions = {}): Value =>
    apply(op, [x], { axes: axes.map((axis) => (axis < 0 ? axis + x.rank : axis)), keepdims: options.keepDims ? 1 : 0 });
}

/** Sum over axes (all where none are given). */
export const reduceSum = reduction(ReduceSum);
/** Mean over axes (all where none are given). */
export const reduceMean = reduction(ReduceMean);
/** Largest element over axes (all where none are given). */
export const reduceMax = reduction(ReduceMax);

export const reduceOps = [ReduceSum, ReduceMean, ReduceMax] as unknown as readonly Op[];
