import { allocate } from "../../tensor/dtype.js";
import { elementCount } from "../../tensor/shape.js";
import { zeros, type Tensor } from "../../tensor/tensor.js";
import { GraphError } from "../graph-error.js";
import { sizeOf, staticShape } from "../type.js";
import { apply, constant, type Op, type Value } from "../value.js";
import { expand, reshape } from "./structure.js";

/** Rows `indices` (int64, any shape) of the first axis of `x`. */
const Gather: Op<{ axis: number }> = {
  name: "Gather",
  type: ([x, indices], { axis }) => {
    if (axis !== 0) throw new GraphError("bad-attribute", `Gather: axis ${axis}, only 0 is supported`);
    if (indices!.dtype !== "int64") throw new GraphError("dtype-mismatch", `Gather: indices of dtype ${indices!.dtype}, expected int64`);
    return { dtype: x!.dtype, shape: [...indices!.shape, ...x!.shape.slice(1)] };
  },
  grad: (dy, [x, indices]) => [scatterAdd(indices!, dy, staticShape(x!.shape, "gradient of Gather")), null],
  evaluate: ([x, indices], _a, { dtype, shape }) => {
    const row = elementCount(x!.shape.slice(1));
    const out = allocate(dtype, elementCount(shape)) as unknown as (number | bigint)[];
    indices!.data.forEach((index: number | bigint, i: number) => {
      for (let j = 0; j < row; j++) out[i * row + j] = x!.data[Number(index) * row + j]!;
    });
    return { dtype, shape, data: out } as unknown as Tensor;
  },
  operations: () => 0,
};

/** Selects rows of the first axis. */
export function gather(x: Value, indices: Value): Value {
  return apply(Gather, [x, indices], { axis: 0 });
}

/** Adds rows of `updates` to the rows `indices` [.., 1] of `data`. */
const ScatterND: Op<{ reduction: string }> = {
  name: "ScatterND",
  type: ([data]) => data!,
  grad: (dy, [, indices]) => [dy, null, gather(dy, reshape(indices!, indices!.shape.slice(0, -1)))],
  evaluate: ([data, indices, updates]) => {
    const out = data!.data.slice() as Float64Array;
    const row = elementCount(data!.shape.slice(1));
    indices!.data.forEach((index: number | bigint, i: number) => {
      for (let j = 0; j < row; j++) out[Number(index) * row + j]! += Number(updates!.data[i * row + j]);
    });
    return { ...data!, data: out } as Tensor;
  },
  operations: ([, , updates]) => sizeOf(updates!.shape),
};

/** A tensor of `shape`, zero but for `updates` added to the rows `indices`. */
export function scatterAdd(indices: Value, updates: Value, shape: readonly number[]): Value {
  // Expanded from a scalar: zeros of this shape would be a weight-sized constant in the file.
  const empty = expand(constant(zeros(updates.dtype, [])), shape);
  return apply(ScatterND, [empty, reshape(indices, [...indices.shape, 1]), updates], { reduction: "add" });
}

export const gatherOps = [Gather, ScatterND] as unknown as readonly Op[];
